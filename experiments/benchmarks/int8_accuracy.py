"""What eight-bit integers cost in accuracy: ResNet-20 of CIFAR-10 from a trained checkpoint, dense, and with half of
each block's first convolution and least squares; ONNX Runtime, the whole test set, ranges from 400 training images.
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import nn

from experiments.benchmarks.harness import Aim, Row, number, run_benchmark
from experiments.benchmarks.repair import cut_half, draw_images, load_checkpoint
from experiments.evaluate.deployment import measure_answers
from experiments.run.context import RunContext
from pruning.deploy.int8 import onnx_int8
from pruning.files import export

IMAGES = 400
BOUND = 0.5  # points


@torch.no_grad()
def measure(data: Path, checkpoints: Path) -> list[Row]:
    context = load_checkpoint("resnet20", data, checkpoints)
    pruner, cut = cut_half(context, "l1")
    mended = pruner.mend(cut, ["ls"], draw_images(context, IMAGES, 0))
    networks = {"dense": context.network.eval(), "l1, half, ls": mended.network.eval()}
    return [measure_network(context, name, network) for name, network in networks.items()]


def measure_network(context: RunContext, name: str, network: nn.Module) -> Row:
    shape, ranges = context.image_shape, draw_images(context, IMAGES, 1).split(100)
    with TemporaryDirectory() as folder:
        whole, small = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        export.onnx(network, shape, whole)
        quantised = onnx_int8(network, shape, small, ranges)
        fp32, int8 = (measure_answers(path, context.data.test_dataloader()) for path in (whole, small))
        sizes = [path.stat().st_size for path in (whole, small)]
    row: Row = {"network": "resnet20", "cut by": name, "fp32, %": 100 * fp32.accuracy, "int8, %": 100 * int8.accuracy}
    row |= {"lost, points": 100 * (fp32.accuracy - int8.accuracy), "unlike fp32, %": 100 * (int8.flips(fp32) or 0)}
    row |= {"off the simulation": quantised.difference, "left in float": ", ".join(quantised.left_in_float)}
    return row | {"fp32, kB": sizes[0] / 1e3, "int8, kB": sizes[1] / 1e3, "tested": context.data.sizes["test"]}


def aims(rows: list[Row], **_: object) -> list[Aim]:
    return [Aim(f"{row['cut by']}: points lost by int8", BOUND, number(row, "lost, points"), "most") for row in rows]


if __name__ == "__main__":
    run_benchmark(
        "int8_accuracy",
        "ResNet-20 on CIFAR-10 in eight-bit integers",
        measure,
        aims,
        data={"type": Path, "required": True, "help": "CIFAR-10"},
        checkpoints={"type": Path, "required": True, "help": "of the trained network: cifar10_resnet20.safetensors"},
    )

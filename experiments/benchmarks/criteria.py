"""All criteria of ResNet-50 from 64 images of 224 x 224, beside one pass forward and back of them, in processor
time. What batches show is gathered once for all; then each criterion scores every layer, streams included."""

import time
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from experiments.benchmarks.harness import Aim, Row, number, run_benchmark, time_paired
from pruning.budget import PerLayer
from pruning.graph.graph import trace
from pruning.graph.groups import pruning_groups
from pruning.methods.criteria import CRITERIA, Moments, Scored, gather_moments
from pruning.methods.criteria.quantities import QUANTITIES
from pruning.methods.criteria.recorder import Batches
from pruning.models.library import torchvision_network

SHAPE, IMAGES, BATCH = (3, 224, 224), 64, 16


def measure() -> list[Row]:
    network = torchvision_network("resnet50", 1000, SHAPE).eval()
    graph = trace(network, SHAPE)
    groups = pruning_groups(graph, "couple")
    layers = list(dict.fromkeys(member for unit in groups.units.values() for member in unit.members))
    batches = random_batches()
    gathered: list[Moments] = []
    times = time_paired(
        {
            "pass": lambda: train_pass(network, batches),
            "gather": lambda: gathered.append(gather_moments(network, graph, layers, list(QUANTITIES), batches)),
        },
        rounds=1,
        warm=0,  # four batches each are long enough
        clock=time.process_time,
    )
    seconds = {name: milliseconds / 1000 for name, milliseconds in times.items()}
    rows: list[Row] = [
        {"what": "forward and back", "seconds": seconds["pass"]},
        {"what": "all quantities", "seconds": seconds["gather"]},
    ]
    return rows + [{"what": name, "seconds": time_scores(name, network, gathered[0])} for name in CRITERIA]


def random_batches() -> Batches:
    draws = torch.Generator().manual_seed(0)
    images = torch.randn(IMAGES, *SHAPE, generator=draws).split(BATCH)
    labels = torch.randint(1000, (IMAGES,), generator=draws).split(BATCH)
    return [(batch, partial(F.cross_entropy, target=target)) for batch, target in zip(images, labels, strict=True)]


def train_pass(network: nn.Module, batches: Batches) -> None:
    """Of gradients of all weights, as training has them."""
    for images, loss in batches:
        network.zero_grad()
        loss(network(images)).backward()
    network.zero_grad()


def time_scores(name: str, network: nn.Module, moments: Moments) -> float:
    """Seconds of one criterion alone, in all layers."""
    method = Scored(PerLayer(0.5), name, joined="couple")
    method.survey(network, SHAPE)
    method.take_moments(moments)

    def score() -> dict[str, Tensor]:
        return method.scores(network)

    return time_paired({name: score}, rounds=1, clock=time.process_time)[name] / 1000


def aims(rows: list[Row]) -> list[Aim]:
    seconds = {str(row["what"]): number(row, "seconds") for row in rows}
    once, gathered = seconds.pop("forward and back"), seconds.pop("all quantities")
    beyond_a_second = sum(max(0.0, score - 1) for score in seconds.values())
    return [
        Aim(
            "all scores of 64 images but a second for each criterion, in passes forward and back",
            2,
            (gathered + beyond_a_second) / once,
            "most",
        )
    ]


if __name__ == "__main__":
    run_benchmark("criteria", "All criteria of ResNet-50 on 64 images of 224 x 224", measure, aims)

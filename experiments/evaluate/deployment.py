"""deploy=int8: the dense and the fine-tuned network as ONNX files in float32 and in eight-bit integers, and what they
are worth: answers on the test set, bytes, time by turns in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from datamodules.batches import Batch
from experiments.evaluate.answers import Answers, answer, join
from experiments.records import record, timing
from experiments.run.context import RunContext
from experiments.system.checkout import ROOT
from experiments.system.checksums import matches_checksum, write_checksum
from experiments.system.console import log
from pruning.deploy.int8 import Quantised, make_session, onnx_int8
from pruning.files import durable, export
from pruning.graph.attachments import duplicate
from pruning.surgery.forms import to_form

FOLDER = "onnx"  # in the run's
FLOAT = ("dense", "pruned")
FILES = ("dense", "dense-int8", "pruned", "pruned-int8")
BATCHES = ("1", "64")
THREADS = 1


def deploy(context: RunContext, dense: nn.Module, tuned: nn.Module, form: str) -> record.Deployment | None:
    """Write the four files, and measure them; None where nothing is asked."""
    if context.settings.deploy.precision is None:
        return None
    folder, networks = context.folder / FOLDER, (dense, to_form(tuned, form))
    durable.make_folder(folder)
    smalls = [write_pair(context, folder, name, each) for name, each in zip(FLOAT, networks, strict=True)]
    for name in FILES:
        write_checksum(path_of(folder, name))
    answers = {name: measure_answers(path_of(folder, name), context.data.test_dataloader()) for name in FILES}
    timings = time_in_fresh_process([path_of(folder, name) for name in FILES])
    whole, whole_int8, small, small_int8 = (describe(folder, name, answers, timings) for name in FILES)
    return record.Deployment(
        dense=whole,
        dense_int8=whole_int8,
        tuned=small,
        tuned_int8=small_int8,
        images=context.settings.deploy.images,
        difference=max(each.difference for each in smalls),
        left_in_float=list(smalls[-1].left_in_float),
        threads=THREADS,
        runtime=f"ONNX Runtime {version('onnxruntime')}",
    )


def path_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.onnx"


def write_pair(context: RunContext, folder: Path, name: str, network: nn.Module) -> Quantised:
    """In float32 and in integers, each checked."""
    network, images = duplicate(network).cpu().float(), calibration_images(context)
    export.onnx(network, context.image_shape, path_of(folder, name))
    small = onnx_int8(network, context.image_shape, path_of(folder, f"{name}-int8"), images)
    log(f"int8: {name} agrees with its simulation to {small.difference:.1e} of the logits' scale (limit 0.1)")
    return small


def calibration_images(context: RunContext) -> Iterable[Tensor]:
    """Training images by the run's seed, without augmentation and without their labels."""
    return (images.cpu().float() for images, _ in context.data.sample_batches(context.settings.deploy.images))


def measure_answers(path: Path, loader: Iterable[Batch]) -> Answers:
    session = make_session(path.read_bytes())
    batches = ((images.cpu().float().numpy(), labels.cpu()) for images, labels in loader)
    return join(answer(torch.from_numpy(session.run(None, {"images": x})[0]), labels) for x, labels in batches)


def time_in_fresh_process(paths: list[Path]) -> timing.Timings:
    with TemporaryDirectory() as folder:
        out = Path(folder) / "times.json"
        words = [*map(str, (path.absolute() for path in paths)), "--batch", *BATCHES, "--threads", str(THREADS)]
        command = [sys.executable, "-m", "experiments.measure", *words, "--json", str(out)]
        done = subprocess.run(command, cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True)
        if done.returncode:
            raise ValueError(f"timing the ONNX files failed: {done.stderr.decode(errors='replace').strip()[-300:]}")
        return timing.read(out)


def describe(folder: Path, name: str, answers: dict[str, Answers], timings: timing.Timings) -> record.Deployed:
    rows, whole = [row for row in timings.rows if row.name == name], name.removesuffix("-int8")
    return record.Deployed(
        accuracy=answers[name].accuracy,
        bytes=path_of(folder, name).stat().st_size,
        latency_ms={str(row.batch): row.median_ms for row in rows},
        half_width={str(row.batch): row.half_width for row in rows},
        flips=None if name in FLOAT else answers[name].flips(answers[whole]),
    )


def is_deployed(context: RunContext, finished: record.Record) -> bool:
    """Whether all that deploy= asks for is there."""
    if context.settings.deploy.precision is None:
        return True
    whole = all(matches_checksum(path_of(context.folder / FOLDER, name)) for name in FILES)
    return finished.deployment is not None and finished.deployment.images == context.settings.deploy.images and whole

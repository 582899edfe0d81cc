"""How long networks take on this machine: by turns in one process, with the spread, the machine and the versions.

python -m experiments.measure outputs/RUN            its dense and its small network, and its ONNX files
python -m experiments.measure a.onnx b.onnx          ONNX files of images
python -m experiments.measure model=resnet50 data.size=224 method=l1 ratio=0.5 budget.round_to=auto
                                                     a network and what a method leaves of it; weights are fresh

On one thread of a processor its own time is counted, so that other jobs count little; else the clock's.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import torch
from hydra.errors import HydraException, InstantiationException
from rich import box
from rich.table import Table
from torch import nn

from experiments.config.refusal import Refusal, refusals
from experiments.records.timing import Timed, Timings
from experiments.system import hardware
from experiments.system.checksums import is_pruned
from experiments.system.console import console, log
from pruning.deploy.int8 import find_float_operators
from pruning.deploy.latency import with_random_weights
from pruning.deploy.runtimes import RUNTIMES, Ready, Shape, prepare_onnx, refuse_missing_runtime
from pruning.files import artifact
from pruning.timing import Times, processor_clock, time_by_turns

NETWORK, FILES = "network", "onnx"  # in a run's folder
ROUNDS, SECONDS = 15, 0.5
CPU = torch.device("cpu")
Contender = Callable[[str, Sequence[int]], Ready]  # by a runtime's name and batch sizes what is to be timed


def main(arguments: list[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    try:
        with refusals(), torch.no_grad():
            timings = measure(options.what, options.runtime, options.batch, options.rounds, options.seconds)
    except Refusal as refusal:
        print(refusal, file=sys.stderr)
        return 1
    show(timings)
    if options.json is not None:
        timings.write(options.json)
    return 0


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m experiments.measure",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", nargs="+", help="folders, ONNX files, or key=value as run.py has them")
    parser.add_argument("--runtime", nargs="+", default=["onnxruntime"], choices=RUNTIMES)
    parser.add_argument("--batch", nargs="+", type=positive, default=[1], help="images at once")
    parser.add_argument("--threads", type=positive, default=1)
    parser.add_argument("--rounds", type=positive, default=ROUNDS, help="at least")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="at least, for each network")
    parser.add_argument("--json", type=Path, help="write every round's time there, too")
    return parser


def positive(word: str) -> int:
    if not word.isdecimal() or int(word) < 1:
        raise argparse.ArgumentTypeError(f"must be a whole number, 1 or more, got {word!r:.40}")
    return int(word)


def measure(
    what: Sequence[str], runtimes: Sequence[str], batches: Sequence[int], rounds: int, seconds: float
) -> Timings:
    """Raises ValueError or OSError for what cannot be timed: nothing has been."""
    for runtime in runtimes:
        refuse_missing_runtime(runtime)
    contenders = find_contenders(what)
    rows: list[Timed] = []
    clock = processor_clock() if torch.get_num_threads() == 1 else time.perf_counter
    kind = "wall time" if clock is time.perf_counter else "processor time"
    for runtime in runtimes:
        ready = {name: prepare(runtime, batches) for name, prepare in contenders.items()}
        for batch in batches:
            works = {name: works[batch] for name, works in ready.items() if works}
            if not works:
                raise ValueError(f"an ONNX file does not run in {runtime}: take --runtime onnxruntime")
            times = time_by_turns(works, rounds, seconds=seconds, clock=clock)
            rows += [describe(name, runtime, batch, times) for name in times]
    left = {path.stem: list(operators) for path in onnx_files(what) if (operators := left_in_float(path))}
    versions = hardware.versions(CPU) | {name: version(name) for name in runtimes if name == "onnxruntime"}
    return Timings(hardware.describe(CPU), torch.get_num_threads(), kind, versions, rows, left)


def describe(name: str, runtime: str, batch: int, times: dict[str, Times]) -> Timed:
    mine, first = times[name], next(iter(times.values()))
    ratio = mine.over(first)
    return Timed(
        name,
        runtime,
        batch,
        1000 * mine.median,
        mine.half_width / mine.median,
        ratio.value,
        ratio.half_width / ratio.value,
        [1000 * seconds for seconds in mine.seconds],
    )


def find_contenders(what: Sequence[str]) -> dict[str, Contender]:
    overrides = [word for word in what if "=" in word]
    if overrides:
        if others := [word for word in what if "=" not in word]:
            raise ValueError(f"{others[0]} is a file, {overrides[0]} a value of a run: time one or the other")
        return by_method(overrides)
    found: dict[str, Contender] = {}
    for path in map(Path, what):
        found |= {f"{path.stem} ({len(found)})" if name in found else name: c for name, c in of_path(path).items()}
    return found


def of_path(path: Path) -> dict[str, Contender]:
    if path.suffix == ".onnx":
        return {path.stem: of_file(path)}
    if files := sorted((path / FILES).glob("*.onnx"), key=lambda file: file.stem):
        return {file.stem: of_file(file) for file in files}
    folder = path / NETWORK if is_pruned(path / NETWORK) else path
    pruned = artifact.load(folder)
    shape = pruned.image_shape
    contenders = {"pruned": of_network(pruned.network, shape)}  # type: ignore[arg-type]
    if pruned.origin is None:
        return contenders
    dense = with_random_weights(pruned.origin.skeleton(len(pruned.classes), shape))  # type: ignore[arg-type]
    return {"dense": of_network(dense, shape)} | contenders  # type: ignore[arg-type]


def onnx_files(what: Sequence[str]) -> list[Path]:
    paths = [Path(word) for word in what]
    return [
        file for path in paths for file in ([path] if path.suffix == ".onnx" else sorted((path / FILES).glob("*.onnx")))
    ]


def left_in_float(path: Path) -> tuple[str, ...]:
    """Of a file in integers; nothing of one that has none."""
    content = path.read_bytes()
    return find_float_operators(content) if b"QuantizeLinear" in content else ()


def by_method(overrides: Sequence[str]) -> dict[str, Contender]:
    """The dense network of a run, and what its method leaves of it."""
    from experiments.benchmarks.pruned import prune_by  # composes a run, which takes seconds

    try:
        dense, small, shape = prune_by(*overrides)
    except InstantiationException:
        raise
    except HydraException as error:
        raise ValueError(str(error)) from error
    return {"dense": of_network(dense, shape), "pruned": of_network(small, shape)}


def of_file(path: Path) -> Contender:
    content = path.read_bytes()

    def prepare(runtime: str, batches: Sequence[int]) -> Ready:
        try:
            return prepare_onnx(content, batches) if runtime == "onnxruntime" else {}
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    return prepare


def of_network(network: nn.Module, shape: Shape) -> Contender:
    return lambda runtime, batches: RUNTIMES[runtime](network, shape, batches, CPU)


def show(timings: Timings) -> None:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("network", "runtime", "batch", "ms", "+-", "of the first", "+-", "rounds"):
        table.add_column(name, justify="left" if name in ("network", "runtime") else "right", no_wrap=True)
    for row in timings.rows:
        share, spread = f"{row.over_first:.3f}", f"{100 * row.over_first_half_width:.1f} %"
        cells = (row.name, row.runtime, str(row.batch), f"{row.median_ms:.4g}", f"{100 * row.half_width:.1f} %")
        table.add_row(*cells, share, spread, str(len(row.rounds_ms)))
    console.print(table)
    runtimes = ", ".join(
        f"{name} {timings.versions[name]}" for name in ("torch", "onnxruntime") if name in timings.versions
    )
    for name, operators in timings.left_in_float.items():
        log(f"{name}: left in float32 by ONNX Runtime: {', '.join(operators)}")
    log(f"{timings.machine}; {timings.clock}; {runtimes}")


if __name__ == "__main__":
    sys.exit(main())

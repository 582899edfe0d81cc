"""Sweeps of 100, 500 and 2,000 jobs on this machine, and what a small job pays before its first step.

The jobs of the sweeps are stand-ins (stand_in.py) that leave a run's files and train nothing, two side by side: all the
rest is a sweep's own. Overhead is the driver's processor time. A job's start is a real one's, of ResNet-20 on 64 images
of noise, in a fresh process and forked, by turns; each pair must end with the same weights. A plot lies beside the
record.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

from experiments.benchmarks.harness import Aim, Row, number, run_benchmark
from experiments.report.render import charts
from experiments.sweep.engines.forked import ForkedChild
from experiments.sweep.engines.local import Child, start_child
from experiments.sweep.task import Task
from experiments.system import checkout
from experiments.system.checkout import ROOT
from experiments.system.processes import read_stat

SIZES = (100, 500, 2000)
TURNS = 3
SMALL = ["method=l1", "budget=macs", "model=resnet20", "data=noise", "data.train=64", "data.test=32", "tracking=none"]
SMALL += ["trainer.accelerator=cpu", "recipe.baseline.epochs=1", "recipe.finetune.epochs=1"]
STARTS: dict[str, Callable[[Task], Child]] = {"fresh process": start_child, "forked": ForkedChild}
FIGURES = ("overhead a job, s", "memory of the driver, MB", "summary and report, s", "listing, ms")


def measure(sizes: str) -> list[Row]:
    """`sizes`: some of them, with commas."""
    with tempfile.TemporaryDirectory() as folder:
        rows = [*measure_starts(Path(folder) / "starts")]
        return rows + [run_driver(Path(folder) / size, int(size)) for size in sizes.split(",")]


def measure_starts(folder: Path) -> Iterator[Row]:
    """The first forked one waits for the imports, and is not counted."""
    seen: dict[str, list[tuple[float, float, str]]] = {name: [] for name in STARTS}
    for turn in range(TURNS + 1):
        for name, start in STARTS.items():
            seen[name].append(time_first_step(start, folder / f"{name}-{turn}"))
    for name, turns in seen.items():
        wall, processor, _ = zip(*turns[1:], strict=True)
        same = sum(ours[2] == fresh[2] for ours, fresh in zip(turns, seen["fresh process"], strict=True)) / len(turns)
        yield {"start": name, "first step after, s": median(wall), "processor, s": median(processor), "same": same}


def time_first_step(start: Callable[[Task], Child], folder: Path) -> tuple[float, float, str]:
    """Seconds by the clock and of the job's processor until its first epoch, one step, is written; what it trained."""
    job = folder / "sweep" / "of-one" / "job"
    job.mkdir(parents=True)
    command = [*checkout.launch_command(), *SMALL, f"folder={folder}"]
    began = time.monotonic()
    child = start(Task(job, [], command, {}, str(ROOT), "", "", True, True, False, {}))
    while not any(path.stat().st_size for path in folder.glob("store/*/metrics.jsonl")):
        time.sleep(0.01)
    seconds, processor = time.monotonic() - began, processor_seconds(child.pid)
    assert child.wait() == 0, (job / "log.txt").read_text()
    stages = sorted(json.loads(path.read_text())["weights_sha256"] for path in folder.glob("store/*/stage.json"))
    return seconds, processor, " ".join(stages)


def processor_seconds(pid: int) -> float:
    fields = read_stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_driver(folder: Path, size: int) -> Row:
    command = [sys.executable, "-m", "experiments.benchmarks.sweep_driver", str(size), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout[-2000:]
    *shown, last = done.stdout.splitlines()
    summary = [line for line in shown if not line.startswith("done ")]
    return json.loads(last) | count_files(folder, size) | {"lines of the summary": len(summary)}


def count_files(folder: Path, size: int) -> Row:
    """Of the sweep: what lies there for each job, and how long it takes to list the runs with their sizes and times."""
    files = [path.stat() for path in folder.rglob("*") if path.is_file()]
    widest = max(len(list(path.iterdir())) for path in (folder, *folder.glob("sweep/*")))
    start = time.perf_counter()
    for entry in os.scandir(folder):
        entry.stat()
    milliseconds = 1000 * (time.perf_counter() - start)
    sizes = sum(file.st_size for file in files)
    return {
        "files a job": len(files) / size,
        "kB a job": sizes / size / 1000,
        "entries of a folder": widest,
        "listing, ms": milliseconds,
    }


def aims(rows: list[Row], sizes: str) -> list[Aim]:
    fresh, forked, *sweeps = rows
    largest, most = sweeps[-1], f"of {sizes.split(',')[-1]} jobs"
    gain = number(fresh, "processor, s") / number(forked, "processor, s")
    grown = number(largest, "memory of the driver, MB") - number(sweeps[0], "memory of the driver, MB")
    return [
        Aim("processor time until the first step, fresh process to forked", 3, gain),
        Aim("pairs that trained the same weights", 1, number(forked, "same")),
        Aim(f"overhead a job, s {most}", 0.3, number(largest, "overhead a job, s"), "most"),
        Aim(f"summary and report, s {most}", 10, number(largest, "summary and report, s"), "most"),
        Aim("memory of the driver, MB more than of the smallest", 30, grown, "most"),
        Aim(f"lines of the summary {most}", 60, number(largest, "lines of the summary"), "most"),
    ]


def draw_plot(rows: list[Row]) -> bytes:
    return charts.draw_png(plot_spec(rows[len(STARTS) :]))


def plot_spec(rows: list[Row]) -> charts.Spec:
    panels = [panel_spec(name) for name in FIGURES]
    return charts.complete_spec({"data": {"values": rows}, "background": "white", "hconcat": panels, "spacing": 28})


def panel_spec(name: str) -> charts.Spec:
    jobs_axis = {"title": "jobs", "values": [*SIZES], "grid": False}
    return {
        "width": 190,
        "height": 180,
        "mark": {"type": "line", "point": True, "strokeWidth": 1.5, "color": charts.COLOURS[0]},
        "encoding": {
            "x": {"field": "jobs", "type": "quantitative", "scale": {"type": "log"}, "axis": jobs_axis},
            "y": {
                "field": name,
                "type": "quantitative",
                "axis": {"title": name},
                "scale": {"zero": True},
            },
        },
    }


if __name__ == "__main__":
    every = ",".join(map(str, SIZES))
    claim = "two thousand jobs: a driver that stays small, and a start that a small job can bear"
    run_benchmark("many_jobs", claim, measure, aims, draw_plot, sizes={"default": every, "help": every})

"""A sweep of so many stand-ins, for many_jobs: the command line's own driver, and what it takes. No torch."""

import json
import sys
import time
from itertools import pairwise
from pathlib import Path

from experiments import program
from experiments.benchmarks.memory import read_kilobytes
from experiments.sweep import launch
from experiments.system import checkout

RATIOS = (0.25, 0.5, 0.75, 0.85, 0.9)
METHODS = ("random", "l1")
OVERRIDES = ("budget=macs", "model=resnet20", "data=noise", "tracking=none", "trainer.accelerator=cpu")


def drive(size: int, folder: Path) -> None:
    """What each job runs is another; all the rest is as typed."""
    checkout.launch_command = lambda: [sys.executable, "-m", "experiments.benchmarks.stand_in"]
    seeds = size // len(METHODS) // len(RATIOS)
    asked = [f"method={','.join(METHODS)}", f"ratio={','.join(map(str, RATIOS))}", f"seed=range({seeds})"]
    sys.argv = ["run.py", "-m", *asked, f"folder={folder}", "hydra.launcher.n_jobs=2", *OVERRIDES]
    ends, finish = list[tuple[float, float, float]](), launch.finish

    def finish_timed() -> None:
        ends.append(look())
        finish()

    launch.finish = finish_timed
    ends.append(look())
    program.start(sys.argv[1:])
    ends.append(look())
    (wall, processor, _), (afterwards, reporting, report_memory) = (
        [later - earlier for earlier, later in zip(first, second, strict=True)] for first, second in pairwise(ends)
    )
    figures = {"jobs": size, "seconds a job": wall / size, "overhead a job, s": processor / size}
    figures |= {"memory of the driver, MB": ends[1][-1], "more with the report, MB": report_memory}
    print(json.dumps(figures | {"summary and report, s": afterwards, "processor of them, s": reporting}))


def look() -> tuple[float, float, float]:
    """The clock and the processor's, in seconds; megabytes resident."""
    return time.monotonic(), time.process_time(), read_kilobytes("VmRSS") / 1000


if __name__ == "__main__":
    drive(int(sys.argv[1]), Path(sys.argv[2]))

"""Does a run that is killed end like one that is not? Any command line of run.py, killed at random moments.

python tests/faults/killed.py --folder outputs/killed --kills 5 method=fcf model=vgg16
"""

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.harness import litter, numbers  # noqa: E402 (run as a program, it has no other way to find them)

Start = Callable[[Path], Any]  # a process with wait() and kill()


def compare(start: Start, folder: Path, kills: int, seed: int = 0) -> list[str]:
    """Where each kill hit; fewer than asked where the run had ended before. Raises AssertionError where the killed run
    ends otherwise than the whole one.
    """
    begun = time.monotonic()
    assert start(folder / "whole").wait() == 0
    length, draws = time.monotonic() - begun, random.Random(seed)
    moments = [draws.uniform(0.3, 1.3) * length / (kills + 1) for _ in range(kills)]
    hits = [where for after in moments if (where := hit(start, folder / "killed", after))]
    assert start(folder / "killed").wait() == 0
    assert numbers(folder / "killed") == numbers(folder / "whole")
    assert not litter(folder / "killed")
    return hits


def hit(start: Start, folder: Path, after: float) -> str | None:
    """Kills a run so many seconds after its start; what it was doing. None: it had ended."""
    process = start(folder)
    time.sleep(after)
    process.kill()
    if process.wait() == 0:
        return None
    lines = [path.read_text().rpartition("\n")[0].splitlines()[-1:] for path in folder.glob("store/*/metrics.jsonl")]
    places = [f"{line['stage']} step {line['step']}" for each in lines for line in map(json.loads, each)]
    return f"after {after:.1f} s, with {', '.join(places) or 'nothing'} written"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    asked, overrides = parser.parse_known_args()

    def start(folder: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, str(ROOT / "run.py"), *overrides, f"folder={folder}"], cwd=ROOT)

    hits = compare(start, asked.folder, asked.kills, asked.seed)
    for line in hits:
        print("killed", line)
    print("the record and the weights of all stages are those of a run that nobody killed")
    if len(hits) < asked.kills:
        sys.exit(f"but {asked.kills - len(hits)} kills came too late, the machine was faster than before: try again")


if __name__ == "__main__":
    main()

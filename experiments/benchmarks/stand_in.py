"""A job of a sweep that trains nothing: it leaves what a run leaves, made up from a committed record. For many_jobs."""

import hashlib
import json
import os
import sys
from pathlib import Path

from experiments.benchmarks.synthetic_runs import write_runs
from experiments.records import jobs

WEIGHTS = b"no weights"


def main(overrides: list[str]) -> None:
    values = dict(override.split("=", 1) for override in overrides)
    results = jobs.results_folder(Path(os.environ[jobs.JOB]))
    (folder,) = write_runs(results, [values["method"]], [float(values["ratio"])], [int(values["seed"])])
    network = folder / "network"
    network.mkdir()
    (network / "model.safetensors").write_bytes(WEIGHTS)
    (network / "model.json").write_text(json.dumps({"sha256": hashlib.sha256(WEIGHTS).hexdigest()}))
    jobs.announce_run(folder)


if __name__ == "__main__":
    main(sys.argv[1:])

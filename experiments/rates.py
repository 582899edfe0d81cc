"""`python -m experiments.rates experiment=evidence/common ...`: each arm of an experiment at the best of a few rates.

First every arm is fine-tuned at each rate, at one cut and with one seed: the validation images, which the experiment
must set apart (data.val), choose; never the test set. Then each arm runs at its own rate for all cuts and seeds. Both
are sweeps of run.py over one store: what is finished is not done again. Imports no torch.
"""

import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from experiments.config.modified import override_key
from experiments.records import jobs, metrics, status
from experiments.records.jobs import Job
from experiments.system.checkout import launch_command
from experiments.system.console import log

ARM, RATE, FOLDER, STORE = "arm", "recipe.finetune.lr", "folder", "store_folder"
RATES = ("0.01", "0.03", "0.1")
TRIAL = {"ratio": "0.5", "seed": "0", "tracking": "none", RATE: ",".join(RATES)}
Accuracies = Mapping[str, Mapping[str, float]]  # of validation, by arm and rate


def trial_overrides(arguments: Sequence[str]) -> list[str]:
    """Of the sweep that tries the rates, in a folder of its own, for what was tried is no result."""
    folder = trial_folder(arguments)
    own = {**TRIAL, FOLDER: str(folder), STORE: str(folder.parent / "store")}
    kept = [argument for argument in arguments if override_key(argument) not in own]
    return [*kept, *(f"{key}={value}" for key, value in own.items())]


def trial_folder(arguments: Sequence[str]) -> Path:
    values = {override_key(argument): argument.partition("=")[2] for argument in arguments}
    return Path(values.get(FOLDER, "outputs")).absolute() / "rates"


def read_accuracies(sweep: Path) -> Accuracies:
    """Raises ValueError for a trial that has no validation accuracy."""
    accuracies: dict[str, dict[str, float]] = {}
    for job in jobs.read_jobs(sweep):
        values = dict(override.split("=", 1) for override in job.overrides)
        accuracies.setdefault(values[ARM], {})[values[RATE]] = validation_accuracy(sweep.parents[1], job)
    return accuracies


def validation_accuracy(folder: Path, job: Job) -> float:
    """At the end of fine-tuning."""
    if job.state != status.COMPLETED or job.run is None:
        raise ValueError(f"{' '.join(job.overrides)} is {job.state}: the same command tries it again")
    lines = metrics.read([folder / job.run / "metrics.jsonl"])
    found = [line["val_accuracy"] for line in lines if line.get("stage") == "finetune" and "val_accuracy" in line]
    if not found:
        raise ValueError(f"{folder / job.run} has no validation accuracy of fine-tuning: give data.val= a share")
    return float(str(found[-1]))


def choose_rates(accuracies: Accuracies) -> dict[str, str]:
    """By arm; of equals the smallest."""
    return {arm: max(sorted(by_rate, key=float), key=by_rate.__getitem__) for arm, by_rate in accuracies.items()}


def describe(accuracies: Accuracies, chosen: Mapping[str, str]) -> Iterable[str]:
    width = max(map(len, accuracies))
    for arm, by_rate in accuracies.items():
        tried = "  ".join(f"{rate} {100 * by_rate[rate]:.2f} %" for rate in sorted(by_rate, key=float))
        yield f"{arm:<{width}}  rate {chosen[arm]:<6} of {tried} of the validation images"


def sweep(overrides: Sequence[str]) -> int:
    return subprocess.run([*launch_command(), "-m", *overrides]).returncode


def main(arguments: Sequence[str]) -> int:
    if not any(override_key(argument) == "experiment" for argument in arguments):
        log("which experiment? for example experiment=evidence/common", "red")
        return 2
    trial = trial_overrides(arguments)
    if code := sweep(trial):
        return code
    try:
        accuracies = read_accuracies(jobs.sweep_folder(trial_folder(arguments), trial))
    except ValueError as error:
        log(str(error), "red")
        return 1
    rates = choose_rates(accuracies)
    log("\n".join(describe(accuracies, rates)))
    kept = [argument for argument in arguments if override_key(argument) not in (ARM, RATE)]
    return max(sweep([*kept, f"{ARM}={arm}", f"{RATE}={rate}"]) for arm, rate in rates.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

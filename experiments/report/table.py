"""The results table of README.md, made from the committed records: `python -m experiments.report.table`."""

import json
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from statistics import mean, stdev

from experiments.digest import NEVER, ROOT, without
from experiments.record import Record, read

RESULTS = ROOT / "experiments" / "results"
README = ROOT / "README.md"
BEGIN, END = "<!-- results: made by `python -m experiments.report.table`, do not edit -->", "<!-- end of results -->"
HEAD = ("network, data", "method", "asked", "dense", "pruned", "fine-tuned", "MACs", "params", "epochs", "n")


def records(folder: Path = RESULTS) -> list[Record]:
    """Every record of a run under a folder, in the order of their paths; those of benchmarks are something else."""
    return [read(path) for path in sorted(folder.rglob("*.json")) if path.parent.name != "benchmarks"]


def table(found: Sequence[Record]) -> str:
    """Markdown: one row for each setting, mean and standard deviation over its seeds."""
    ordered = sorted(found, key=lambda r: (setting(r), repeated(r), r.seed))
    lines = [HEAD, tuple("---" for _ in HEAD)]
    lines += [row(list(runs)) for _, runs in groupby(ordered, key=repeated)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def repeated(record: Record) -> str:
    """What makes two runs repetitions of each other: all of the config but its seeds, and what no number depends on."""
    same = without(record.config, (*NEVER, "seed", "data.seed", "method.seed", "choice.experiment"))
    return json.dumps([same, record.precision], sort_keys=True)


def setting(record: Record) -> tuple[str, ...]:
    """What a row says of its runs."""
    asked = f"{record.ratio:g} of {named(record.budget.of)}"
    return f"{record.model}, {record.data}", title(record), asked, schedule(record), record.objective


def title(record: Record) -> str:
    """The method with what distinguishes its variants."""
    asked = record.config["method"]
    variants = [f"{key}={asked[key]}" for key in ("gate", "joined", "learn", "steps") if key in asked]
    taught = [record.objective] if record.objective != "cross_entropy" else []
    return f"{record.method} ({', '.join(variants + taught)})" if variants + taught else record.method


def named(budget: str) -> str:
    return {"layer": "each layer", "global": "all filters", "macs": "MACs", "params": "params"}[budget]


def schedule(record: Record) -> str:
    """Epochs of each stage after the baseline."""
    return " + ".join(f"{s.epochs} {s.name}" for s in record.stages if s.name in ("prune", "finetune"))


def row(runs: list[Record]) -> tuple[str, ...]:
    """Raises ValueError for two runs with one seed: they are not two samples."""
    first = runs[0]
    if len({run.seed for run in runs}) < len(runs):
        raise ValueError(f"{len(runs)} records of {first.name} share seeds: keep one record for each seed")
    model, method, asked, epochs, _ = setting(first)
    cuts = [
        f"-{100 * mean(1 - getattr(r.tuned, of) / getattr(r.dense, of) for r in runs):.1f} %"
        for of in ("macs", "params")
    ]
    accuracies = [percent([getattr(r, of).accuracy for r in runs]) for of in ("dense", "pruned", "tuned")]
    return model, method, asked, *accuracies, *cuts, epochs, str(len(runs))


def percent(shares: Sequence[float]) -> str:
    spread = f" ± {100 * stdev(shares):.2f}" if len(shares) > 1 and max(shares) > min(shares) else ""
    return f"{100 * mean(shares):.2f}{spread} %"


def inserted(text: str, made: str) -> str:
    """A text with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


if __name__ == "__main__":
    README.write_text(inserted(README.read_text(), table(records())))

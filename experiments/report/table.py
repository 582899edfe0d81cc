"""The results of README.md and of the methods' cards, from committed records: `python -m experiments.report.table`."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.digest import ROOT
from experiments.record import Record, read
from experiments.report import fairness, keys
from experiments.report.cells import ASKED
from experiments.report.estimate import estimate
from experiments.report.overlap import overlap
from experiments.report.runs import Run
from experiments.report.settings import Setting
from experiments.report.words import markdown

RESULTS = ROOT / "experiments" / "results"
README = ROOT / "README.md"
CARDS = ROOT / "pruning" / "methods"
BEGIN, END = "<!-- results: made by `python -m experiments.report.table`, do not edit -->", "<!-- end of results -->"
HEAD = (
    *("network, data", "method", "asked", "dense", "pruned", "fine-tuned", "published", "MACs", "params"),
    *("epochs", "kept alike", "n", "on"),
)
EMBEDDED = "digits"
VARIANTS = ("gate", "start", "joined", "learn", "steps")  # what distinguishes the forms of one method


def records(folder: Path = RESULTS) -> list[Record]:
    """Every record of a run under a folder, in the order of their paths; those of benchmarks are something else."""
    return [read(path) for path in sorted(folder.rglob("*.json")) if path.parent.name != "benchmarks"]


def table(found: Sequence[Record]) -> str:
    """Markdown: one row for each setting, mean and standard deviation over its seeds."""
    if not found:
        return "None yet."
    lines = [HEAD, tuple("---" for _ in HEAD), *(row(each) for each in settings(found))]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def settings(found: Iterable[Record]) -> list[Setting]:
    """Runs that differ by their seeds alone, by network, cut and method.

    Raises ValueError for two runs with one seed: they are not two samples.
    """
    runs = [Run(record, RESULTS, scratch) for record in found for scratch in (False, True)]
    groups = keys.grouped((run for run in runs if not run.scratch or run.record.scratch), repeated)
    made = [Setting(key, "", tuple(sorted(group, key=lambda run: run.record.seed))) for key, group in groups.items()]
    for each in made:
        if len({run.record.seed for run in each.runs}) < len(each.runs):
            name = each.first.record.name
            raise ValueError(f"{len(each.runs)} records of {name} share seeds: keep one record for each seed")
    return sorted(made, key=lambda each: (ground(each.first.record), title(each.first), each.first.spent, each.id))


def repeated(run: Run) -> str:
    return keys.short(f"{keys.repeated(run.record)} {run.scratch}")


def ground(record: Record) -> tuple[str, str]:
    return f"{record.model}, {record.data}", f"{record.ratio:g} {ASKED[record.budget.of]}"


def title(run: Run) -> str:
    """The method with what distinguishes its variants."""
    asked = run.record.config["method"]
    told = [f"{key}={asked[key]}" for key in VARIANTS if key in asked]
    told += [run.record.objective] if run.record.objective != "cross_entropy" else []
    return markdown(run.record.method + (f" ({', '.join(told)})" if told else "") + ", from scratch" * run.scratch)


def row(setting: Setting) -> tuple[str, ...]:
    first = setting.first
    accuracies = [[run.record.dense.accuracy for run in setting.runs], [run.final.accuracy for run in setting.runs]]
    dense, tuned = map(percent, accuracies)
    pruned = "" if first.scratch else percent([run.record.pruned.accuracy for run in setting.runs])
    cuts = [f"-{100 * estimate([run.cut(of) for run in setting.runs]).mean:.1f} %" for of in ("macs", "params")]
    about = (published(first.record), *cuts, first.spent, alike(setting), str(len(setting.runs)))
    model, asked = ground(first.record)
    return model, title(first), asked, dense, pruned, tuned, *about, markdown("; ".join(setting.devices))


def published(record: Record) -> str:
    """What the paper printed, or that this is not its setting."""
    if record.modified:
        return f"modified: {markdown(' '.join(record.modified))}"
    printed = record.config.get("published")
    if not printed or printed["tuned"] is None:
        return ""
    dense, tuned = (f"{100 * printed[of]:.2f}" for of in ("dense", "tuned"))
    return f"{dense} -> {tuned} % ({printed['accuracy_mark']})"


def alike(setting: Setting) -> str:
    """Share of the kept kernels that two seeds have in common, and what chance gives."""
    found = overlap(setting, {run.record.seed: fairness.base(run.record) for run in setting.runs})
    return f"{100 * found.share:.0f} % (chance {100 * found.chance:.0f} %)" if found else ""


def percent(shares: Sequence[float]) -> str:
    found = estimate(shares)
    spread = f" ± {100 * found.std:.2f}" if found.std else ""
    return f"{100 * found.mean:.2f}{spread} %"


def inserted(text: str, made: str) -> str:
    """A text with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def pages(found: Sequence[Record]) -> dict[Path, str]:
    """Every text with a table in it, made anew; README shows natural images, the cards everything."""
    whole = {README: [record for record in found if record.data != EMBEDDED]}
    for card in sorted(CARDS.glob("*/card.md")):
        whole[card] = [record for record in found if folder(record) == card.parent.name]
    return {path: inserted(path.read_text(), table(mine)) for path, mine in whole.items()}


def folder(record: Record) -> str:
    """Of the method's code: pruning.methods.fcf.FCF lies in fcf."""
    return str(record.config["method"]["_target_"]).split(".")[2]


if __name__ == "__main__":
    for path, text in pages(records()).items():
        path.write_text(text)

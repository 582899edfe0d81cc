"""The results of docs, README and cards, from committed records: `python -m experiments.report.table`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.records.record import Record, read
from experiments.report.analyse.configurations import Comparison, Configuration, comparisons
from experiments.report.analyse.estimate import estimate
from experiments.report.analyse.overlap import overlap
from experiments.report.load.runs import Run
from experiments.report.load.text import markdown
from experiments.report.render import cells
from experiments.system.checkout import ROOT

RESULTS = ROOT / "experiments" / "results"
README, PAGE = ROOT / "README.md", ROOT / "docs" / "results.md"
CARDS = ROOT / "pruning" / "methods"
BEGIN, END = "<!-- results: made by `python -m experiments.report.table`, do not edit -->", "<!-- end of results -->"
HEAD = (
    *("network, data", "method", "asked", "dense (mean ± std)", "pruned (mean ± std)", "fine-tuned (mean ± std)"),
    *("published", "MACs", "params", "epochs", "kept alike", "n (seeds)", "on"),
)
SHORT = ("method", "fine-tuned by", "test accuracy", "MACs", "epochs", "seeds")
EMBEDDED = "digits"
Row = tuple[str, Configuration]  # the title of its section


def records(folder: Path = RESULTS) -> list[Record]:
    """Every record of a run under a folder, in the order of their paths; those of benchmarks are something else."""
    return [read(path) for path in sorted(folder.rglob("*.json")) if path.parent.name != "benchmarks"]


def committed(found: Iterable[Record]) -> list[Row]:
    """Raises ValueError for two runs of one setting with one seed: they are not two samples."""
    runs = [Run(record, RESULTS, scratch) for record in found for scratch in (False, True)]
    made = rows(comparisons(run for run in runs if not run.scratch or run.record.scratch))
    for _, each in made:
        if repeated := [seed for seed, count in Counter(run.record.seed for run in each.runs).items() if count > 1]:
            raise ValueError(f"{each.first.record.name} has two records of seed {repeated[0]}: keep one for each seed")
    return made


def rows(made: Iterable[Comparison]) -> list[Row]:
    """Grouped and named as on the page; what was cut alike stands together."""
    found = [(comparison.title, configuration) for comparison in made for configuration in comparison.configurations]
    return sorted(found, key=order)


def order(row: Row) -> tuple[str, float, str, str, str]:
    title, configuration = row
    return title, configuration.first.record.ratio, cells.asked(configuration), configuration.curve, configuration.id


def table(found: Sequence[Row]) -> str:
    """Markdown: one row for each setting, mean and standard deviation over its seeds."""
    if not found:
        return "None yet."
    lines = [HEAD, tuple("---" for _ in HEAD), *(line(*each) for each in found)]
    return "\n".join("| " + " | ".join(each) + " |" for each in lines)


def line(title: str, configuration: Configuration) -> tuple[str, ...]:
    first, runs = configuration.first, configuration.runs
    dense, tuned = percent([run.record.dense.accuracy for run in runs]), percent([run.final.accuracy for run in runs])
    pruned = "" if first.scratch else percent([run.record.pruned.accuracy for run in runs])
    cuts = [f"-{100 * estimate([run.cut(of) for run in runs]).mean:.1f} %" for of in ("macs", "params")]
    about = (published(first.record), *cuts, first.spent, alike(configuration), str(len(runs)))
    named = (markdown(title), markdown(configuration.curve), cells.asked(configuration))
    return *named, dense, pruned, tuned, *about, markdown("; ".join(configuration.devices))


def short(found: Sequence[Row]) -> str:
    """README's: ResNet-20 on CIFAR-10 at 70 % of MACs, the first row of each method and objective, best first."""
    chosen: dict[tuple[str, str], Configuration] = {}
    for title, configuration in found:
        if title == "resnet20 on cifar10" and cells.asked(configuration) == "70 % of MACs":
            chosen.setdefault((configuration.method, configuration.first.record.objective), configuration)
    best = sorted(chosen.values(), key=lambda configuration: -configuration.accuracy.mean)
    lines = [SHORT, tuple("---" for _ in SHORT), *map(short_line, best)]
    return "\n".join("| " + " | ".join(each) + " |" for each in lines)


def short_line(configuration: Configuration) -> tuple[str, ...]:
    first, runs = configuration.first, configuration.runs
    tuned = percent([run.final.accuracy for run in runs])
    objective = first.record.objective.replace("_", "-")
    macs = f"-{100 * configuration.macs_cut:.1f} %"
    return f"`{first.record.method}`", objective, tuned, macs, first.spent, str(len(runs))


def published(record: Record) -> str:
    """What the paper printed, or that this is not its setting."""
    if record.modified:
        return f"modified: {markdown(' '.join(record.modified))}"
    printed = record.config.get("published")
    if not printed or printed["tuned"] is None:
        return ""
    dense, tuned = (f"{100 * printed[of]:.2f}" for of in ("dense", "tuned"))
    return f"{dense} -> {tuned} % ({printed['accuracy_mark']})"


def alike(configuration: Configuration) -> str:
    """Share of the kept filters that two seeds of one dense network have in common, and what chance gives."""
    found = overlap(configuration)
    return f"{100 * found.share:.0f} % (chance {100 * found.chance:.0f} %, z {cells.z(found.z)})" if found else ""


def percent(shares: Sequence[float]) -> str:
    found = estimate(shares)
    spread = f" ± {100 * found.std:.2f}" if found.std else ""
    return f"{100 * found.mean:.2f}{spread} %"


def inserted(text: str, made: str) -> str:
    """A text with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def pages(found: Sequence[Row]) -> dict[Path, str]:
    """Every text with a table in it, made anew: natural images on the page, six of its rows in README, cards."""
    whole = {PAGE: [row for row in found if row[1].first.record.data != EMBEDDED]}
    for card in sorted(CARDS.glob("*/card.md")):
        whole[card] = [row for row in found if folder(row[1].first.record) == card.parent.name]
    tables = {path: table(mine) + commits(mine) for path, mine in whole.items()} | {README: short(found)}
    return {path: inserted(path.read_text(), made) for path, made in tables.items()}


def commits(found: Sequence[Row]) -> str:
    """A sentence beneath a table; a + where files differed from the commit."""
    stages = (stage for _, configuration in found for run in configuration.runs for stage in run.record.stages)
    made_at = sorted({stage.commit for stage in stages if stage.commit})
    return f"\n\nRows made at commits {', '.join(made_at)}; each row's record says which." if made_at else ""


def folder(record: Record) -> str:
    """Of the method's code: pruning.methods.fcf.FCF lies in fcf."""
    return str(record.config["method"]["_target_"]).removeprefix("pruning.methods.").partition(".")[0]


if __name__ == "__main__":
    for path, text in pages(committed(records())).items():
        path.write_text(text)

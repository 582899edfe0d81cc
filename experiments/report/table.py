"""The results of docs, README and cards, from committed records: `python -m experiments.report.table`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.records.record import Record, read
from experiments.report.analyse.configurations import Comparison, Configuration, build_comparisons
from experiments.report.analyse.estimate import estimate
from experiments.report.analyse.overlap import filter_overlap
from experiments.report.load.runs import Run
from experiments.report.load.text import escape_markdown
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


def load_records(folder: Path = RESULTS) -> list[Record]:
    """Every record of a run under a folder, in the order of their paths; those of benchmarks are something else."""
    return [read(path) for path in sorted(folder.rglob("*.json")) if path.parent.name != "benchmarks"]


def committed_rows(found: Iterable[Record]) -> list[Row]:
    """Raises ValueError for two runs of one setting with one seed: they are not two samples."""
    runs = [Run(record, RESULTS, scratch) for record in found for scratch in (False, True)]
    made = sort_rows(build_comparisons(run for run in runs if not run.scratch or run.record.scratch))
    for _, each in made:
        if repeated := [seed for seed, count in Counter(run.record.seed for run in each.runs).items() if count > 1]:
            raise ValueError(f"{each.first.record.name} has two records of seed {repeated[0]}: keep one for each seed")
    return made


def sort_rows(made: Iterable[Comparison]) -> list[Row]:
    """Grouped and named as on the page; what was cut alike stands together."""
    found = [(comparison.title, configuration) for comparison in made for configuration in comparison.configurations]
    return sorted(found, key=row_order)


def row_order(row: Row) -> tuple[str, float, str, str, str]:
    title, configuration = row
    return (
        title,
        configuration.first.record.ratio,
        cells.budget_text(configuration),
        configuration.curve,
        configuration.id,
    )


def markdown_table(found: Sequence[Row]) -> str:
    """Markdown: one row for each setting, mean and standard deviation over its seeds."""
    if not found:
        return "None yet."
    lines = [HEAD, tuple("---" for _ in HEAD), *(table_line(*each) for each in found)]
    return "\n".join("| " + " | ".join(each) + " |" for each in lines)


def table_line(title: str, configuration: Configuration) -> tuple[str, ...]:
    first, runs = configuration.first, configuration.runs
    dense, tuned = (
        percent_text([run.record.dense.accuracy for run in runs]),
        percent_text([run.final.accuracy for run in runs]),
    )
    pruned = "" if first.scratch else percent_text([run.record.pruned.accuracy for run in runs])
    cuts = [f"-{100 * estimate([run.cut(of) for run in runs]).mean:.1f} %" for of in ("macs", "params")]
    about = (cells.published(first.record), *cuts, first.spent, overlap_text(configuration), str(len(runs)))
    named = (escape_markdown(title), escape_markdown(configuration.curve), cells.budget_text(configuration))
    return *named, dense, pruned, tuned, *about, escape_markdown("; ".join(configuration.devices))


def short_table(found: Sequence[Row]) -> str:
    """README's: ResNet-20 on CIFAR-10 at 70 % of MACs, the first row of each method and objective, best first."""
    chosen: dict[tuple[str, str], Configuration] = {}
    for title, configuration in found:
        if title == "resnet20 on cifar10" and cells.budget_text(configuration) == "70 % of MACs":
            chosen.setdefault((configuration.method, configuration.first.record.objective), configuration)
    best = sorted(chosen.values(), key=lambda configuration: -configuration.accuracy.mean)
    lines = [SHORT, tuple("---" for _ in SHORT), *map(short_table_line, best)]
    return "\n".join("| " + " | ".join(each) + " |" for each in lines)


def short_table_line(configuration: Configuration) -> tuple[str, ...]:
    first, runs = configuration.first, configuration.runs
    tuned = percent_text([run.final.accuracy for run in runs])
    objective = first.record.objective.replace("_", "-")
    macs = f"-{100 * configuration.macs_cut:.1f} %"
    return f"`{first.record.method}`", objective, tuned, macs, first.spent, str(len(runs))


def overlap_text(configuration: Configuration) -> str:
    """Share of the kept filters that two seeds of one dense network have in common, and what chance gives."""
    found = filter_overlap(configuration)
    return (
        f"{100 * found.share:.0f} % (chance {100 * found.chance:.0f} %, z {cells.format_z(found.z)})" if found else ""
    )


def percent_text(shares: Sequence[float]) -> str:
    found = estimate(shares)
    spread = f" ± {100 * found.std:.2f}" if found.std else ""
    return f"{100 * found.mean:.2f}{spread} %"


def insert_table(text: str, made: str) -> str:
    """A text with the table between its two marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{made}\n{END}{after}"


def updated_pages(found: Sequence[Row]) -> dict[Path, str]:
    """Every text with a table in it, made anew: natural images on the page, six of its rows in README, cards."""
    whole = {PAGE: [row for row in found if row[1].first.record.data != EMBEDDED]}
    for card in sorted(CARDS.glob("*/card.md")):
        whole[card] = [row for row in found if method_folder(row[1].first.record) == card.parent.name]
    tables = {path: markdown_table(mine) + commits_sentence(mine) for path, mine in whole.items()} | {
        README: short_table(found)
    }
    return {path: insert_table(path.read_text(), made) for path, made in tables.items()}


def commits_sentence(found: Sequence[Row]) -> str:
    """A sentence beneath a table; a + where files differed from the commit."""
    stages = (stage for _, configuration in found for run in configuration.runs for stage in run.record.stages)
    made_at = sorted({stage.commit for stage in stages if stage.commit})
    return f"\n\nRows made at commits {', '.join(made_at)}; each row's record says which." if made_at else ""


def method_folder(record: Record) -> str:
    """Of the method's code: pruning.methods.fcf.FCF lies in fcf."""
    return str(record.config["method"]["_target_"]).removeprefix("pruning.methods.").partition(".")[0]


if __name__ == "__main__":
    for path, text in updated_pages(committed_rows(load_records())).items():
        path.write_text(text)

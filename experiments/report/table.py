"""The results of docs, README and cards, from committed records: `python -m experiments.report.table`."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.records.cells import FILE
from experiments.records.record import Record, read
from experiments.report.analyse.configurations import Comparison, Configuration, build_comparisons
from experiments.report.analyse.estimate import estimate
from experiments.report.analyse.overlap import filter_overlap
from experiments.report.load.recorded_config import read_config
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
EVIDENCE = "evidence/"
Row = tuple[str, Configuration]  # the title of its section


def load_records(folder: Path = RESULTS) -> list[Record]:
    """Every record of a run under a folder, in the order of their paths; those of benchmarks and of tables are
    something else."""
    paths = (path for path in sorted(folder.rglob("*.json")) if path.parent.name != "benchmarks")
    return [read(path) for path in paths if path.name != FILE]


def committed_rows(records: Iterable[Record]) -> list[Row]:
    """Raises ValueError for two runs of one setting with one seed: they are not two samples; and for unlike sources."""
    records = list(records)
    refuse_unlike_sources(records)
    runs = [Run(record, RESULTS, scratch) for record in records for scratch in (False, True)]
    table_rows = sort_rows(build_comparisons(run for run in runs if not run.scratch or run.record.scratch))
    for _, configuration in table_rows:
        counts = Counter(run.record.seed for run in configuration.runs)
        if repeated := [seed for seed, count in counts.items() if count > 1]:
            name = configuration.first.record.name
            raise ValueError(f"{name} has two records of seed {repeated[0]}: keep one for each seed")
    return table_rows


def refuse_unlike_sources(records: Iterable[Record]) -> None:
    """The rows of one experiment=evidence/* are one table: made at one commit, where no file differed from it."""
    tables: dict[str, set[str]] = {}
    for record in records:
        if (record.experiment or "").startswith(EVIDENCE):
            tables.setdefault(str(record.experiment), set()).update(str(stage.commit) for stage in record.stages)
    for table, commits in tables.items():
        if len(commits) > 1 or not all(commit.isalnum() for commit in commits):
            raise ValueError(
                f"{table} has rows made at commits {', '.join(sorted(commits))}: make all of them at one, in a clone "
                "without changes"
            )


def sort_rows(comparisons: Iterable[Comparison]) -> list[Row]:
    """Grouped and named as on the page; what was cut alike stands together."""
    pairs = [(comparison.title, row) for comparison in comparisons for row in comparison.configurations]
    return sorted(pairs, key=row_order)


def row_order(row: Row) -> tuple[str, float, str, str]:
    title, setting = row
    return title, setting.ratio, cells.budget_text(setting), setting.curve


def markdown_table(table_rows: Sequence[Row]) -> str:
    """Markdown: one row for each setting, mean and standard deviation over its seeds."""
    if not table_rows:
        return "None yet."
    return join_cells(HEAD, [table_line(*row) for row in table_rows])


def table_line(title: str, configuration: Configuration) -> tuple[str, ...]:
    first, runs = configuration.first, configuration.runs
    dense = percent_text([run.record.dense.accuracy for run in runs])
    tuned = percent_text([run.final.accuracy for run in runs])
    pruned = "" if first.scratch else percent_text([run.record.pruned.accuracy for run in runs])
    cuts = [f"-{100 * estimate([run.cut(measure) for run in runs]).mean:.1f} %" for measure in ("macs", "params")]
    conditions = (cells.published(first.record), *cuts, first.spent, overlap_text(configuration), str(len(runs)))
    names = (escape_markdown(title), escape_markdown(configuration.curve), cells.budget_text(configuration))
    return *names, dense, pruned, tuned, *conditions, escape_markdown("; ".join(configuration.devices))


def short_table(table_rows: Sequence[Row]) -> str:
    """README's: ResNet-20 on CIFAR-10 at 70 % of MACs, the first row of each method and objective, best first."""
    chosen: dict[tuple[str, str], Configuration] = {}
    for title, configuration in table_rows:
        if title == "resnet20 on cifar10" and cells.budget_text(configuration) == "70 % of MACs":
            chosen.setdefault((configuration.method, configuration.first.record.objective), configuration)
    best = sorted(chosen.values(), key=lambda configuration: -configuration.accuracy.mean)
    return join_cells(SHORT, [short_table_line(configuration) for configuration in best])


def join_cells(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def short_table_line(configuration: Configuration) -> tuple[str, ...]:
    first, runs = configuration.first, configuration.runs
    tuned = percent_text([run.final.accuracy for run in runs])
    objective = first.record.objective.replace("_", "-")
    macs = f"-{100 * configuration.macs_cut:.1f} %"
    return f"`{first.record.method}`", objective, tuned, macs, first.spent, str(len(runs))


def overlap_text(configuration: Configuration) -> str:
    """Share of the kept filters that two seeds of one dense network have in common, and what chance gives."""
    overlap = filter_overlap(configuration)
    if overlap is None:
        return ""
    return f"{100 * overlap.share:.0f} % (chance {100 * overlap.chance:.0f} %, z {cells.format_z(overlap.z)})"


def percent_text(shares: Sequence[float]) -> str:
    mean_estimate = estimate(shares)
    spread = f" ± {100 * mean_estimate.std:.2f}" if mean_estimate.std else ""
    return f"{100 * mean_estimate.mean:.2f}{spread} %"


def insert_table(text: str, table: str, begin: str = BEGIN, end: str = END) -> str:
    """A text with the table between its two marks."""
    before, _, rest = text.partition(begin)
    _, _, after = rest.partition(end)
    return f"{before}{begin}\n{table}\n{end}{after}"


def updated_pages(table_rows: Sequence[Row]) -> dict[Path, str]:
    """Every text with a table in it, made anew: natural images on the page, six of its rows in README, cards."""
    rows_by_page = {PAGE: [row for row in table_rows if row[1].first.record.data != EMBEDDED]}
    for card in sorted(CARDS.glob("*/card.md")):
        rows_by_page[card] = [row for row in table_rows if method_folder(row[1].first.record) == card.parent.name]
    tables = {
        path: markdown_table(own_rows) + commits_sentence(own_rows) for path, own_rows in rows_by_page.items()
    } | {README: short_table(table_rows)}
    return {path: insert_table(path.read_text(), table) for path, table in tables.items()}


def commits_sentence(table_rows: Sequence[Row]) -> str:
    """A sentence beneath a table; a + where files differed from the commit."""
    stages = (stage for _, configuration in table_rows for run in configuration.runs for stage in run.record.stages)
    hashes = sorted({stage.commit for stage in stages if stage.commit})
    return f"\n\nRows made at commits {', '.join(hashes)}; each row's record says which." if hashes else ""


def method_folder(record: Record) -> str:
    """Of the method's code: pruning.methods.fcf.FCF lies in fcf."""
    return str(read_config(record.config)["method"]["_target_"]).removeprefix("pruning.methods.").partition(".")[0]


if __name__ == "__main__":
    for path, text in updated_pages(committed_rows(load_records())).items():
        path.write_text(text)

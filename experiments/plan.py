"""plan=true: what may be cut and what may not, without training."""

from rich import box
from rich.table import Table
from rich.text import Text

from experiments.cli.time_curve import show_time
from experiments.config.modified import modifications
from experiments.config.refusal import refusals, single_line
from experiments.config.schema import Published, Settings
from experiments.run.context import PlanContext
from experiments.run.prepare import prepare_plan
from experiments.run.searches import budget_of_time
from experiments.run.stage_plan import describe_stages
from experiments.system.activity import activity
from experiments.system.console import console, log
from experiments.system.format import cut, share_asked, si
from pruning.budget.problem import round_down
from pruning.graph.cost import Cost
from pruning.graph.decisions import list_decisions
from pruning.layers import Row
from pruning.planning import Plan, make_plan

SHOWN = 1  # readers named in the table; the others are counted
NAMED = 3  # layers named in a line below it


def run(settings: Settings) -> Plan:
    with refusals():
        context = prepare_plan(settings)
        if budget_of_time(context.method):
            activity.begin("timing networks until one meets the target, and along the way there")
        pruning_plan = make_plan(context.network, context.method, context.image_shape, context.steps("prune"))
        activity.end()
        show(context, pruning_plan)
    return pruning_plan


def show(context: PlanContext, pruning_plan: Plan) -> None:
    console.print(convolution_table(context, pruning_plan))
    if changes := modifications(context.settings.choice.experiment):
        log(f"{'modified':<9} {' '.join(changes)}: not the setting of experiment={context.settings.choice.experiment}")
    log(f"{'asked':<9} {describe_request(context.settings)}")
    log(f"{'stages':<9} {describe_stages(context)}")
    for title, of in (("MACs", "macs"), ("params", "params")):
        before, after = getattr(pruning_plan.before, of), getattr(pruning_plan.after, of)
        log(f"{title:<9} {si(before)} -> {si(after)}   {cut(before, after)}")
    for line in (*published_lines(context, pruning_plan), *pruning_plan.remarks):
        log(line)
    log(f"{'range':<9} {feasible_range(pruning_plan)}")
    if pruning_plan.time is not None:
        show_time(pruning_plan.time)
    show_exceptions(pruning_plan)
    log("Nothing was trained. A method that learns may choose other filters than counted here, as many of them.")


def show_exceptions(pruning_plan: Plan) -> None:
    """What is not cut, and what is taken for granted."""
    for verdict in dict.fromkeys(row.verdict for row in pruning_plan.rows if ":" in row.verdict):
        log(f"{verdict_word(verdict):<9}{verdict.partition(':')[2]}")
    if shrunk := shrunk_layers(pruning_plan):
        log(f"{'unread':<9} filters that no kept kernel reads go from layers that are not cut, too: {shrunk}")
    if pruning_plan.barriers:
        log(f"{'barriers':<9} read every channel at full width: {', '.join(pruning_plan.barriers)}")
    for line in list_decisions(pruning_plan.decisions):
        log(f"{'decided':<9} by the images' size: {line}")


def describe_request(settings: Settings) -> str:
    """How much was to go, and where."""
    asked = share_asked(settings.ratio, settings.choice.budget, settings.ms)
    if settings.choice.budget == "layer":
        return asked + (", but for those of its table" if settings.budget.arguments.get("table") else "")
    return f"{asked}, allocation {settings.choice.allocation}"


def published_lines(context: PlanContext, pruning_plan: Plan) -> list[str]:
    """A paper's cuts beside those of this plan, and its accuracies."""
    printed = context.settings.published
    if printed is None:
        return []
    cuts = [
        f"published {of} -{100 * theirs:.2f} % ({printed.cut_mark}), here -{100 * ours:.2f} %"
        for of, theirs, ours in compare_cuts(printed, pruning_plan)
    ]
    accuracies = [share for share in (printed.dense, printed.tuned) if share is not None]
    accuracy = " -> ".join(f"{100 * share:.2f} %" for share in accuracies)
    return [*cuts, f"published accuracy {accuracy} ({printed.accuracy_mark})"] if accuracies else cuts


def compare_cuts(printed: Published, pruning_plan: Plan) -> list[tuple[str, float, float]]:
    """What is counted, the published share that is cut, and ours by the same count."""
    before, after = (
        pruning_plan.operations if printed.ops == "authors" else (pruning_plan.before.macs, pruning_plan.after.macs)
    )
    rows = [
        ("MACs" if printed.ops == "macs" else "operations", printed.macs_cut, 1 - after / before),
        ("params", printed.params_cut, 1 - pruning_plan.after.params / pruning_plan.before.params),
    ]
    return [(of, theirs, ours) for of, theirs, ours in rows if theirs is not None]


def feasible_range(pruning_plan: Plan) -> str:
    """The cuts that any ratio can reach here."""
    macs, params = (
        f"{100 * round_down(1 - getattr(pruning_plan.least, of) / getattr(pruning_plan.before, of), 3):.1f} %"
        for of in ("macs", "params")
    )
    return f"0 to {macs} of the MACs, 0 to {params} of the parameters"


def convolution_table(context: PlanContext, pruning_plan: Plan) -> Table:
    table = Table(
        title=Text(single_line(context.settings.name)), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD
    )
    table.padding, table.pad_edge = (0, 1, 0, 0), False
    table.add_column("convolution", no_wrap=True, min_width=max(len(row.name) for row in pruning_plan.rows))
    for name, width in (("filters", 9), ("inputs", 9), ("MACs", 6), ("after", 6)):
        table.add_column(name, justify="right", no_wrap=True, min_width=width)
    table.add_column("", no_wrap=True, min_width=8)
    table.add_column("read by", no_wrap=True, overflow="ellipsis")
    for row in pruning_plan.rows:
        table.add_row(*row_cells(row), style="" if row.verdict == "cut" else "dim")
    return table


def row_cells(row: Row) -> tuple[str, ...]:
    filters, inputs = (f"{kept}/{total}" if kept < total else str(total) for kept, total in (row.rows, row.columns))
    return (
        row.name,
        filters,
        inputs,
        si(row.before.macs),
        describe_change(row.before, row.after),
        verdict_word(row.verdict),
        readers(row),
    )


def describe_change(before: Cost, after: Cost) -> str:
    return "same" if after == before else f"-{100 * (1 - after.macs / before.macs):.0f} %"


def shrunk_layers(pruning_plan: Plan) -> str:
    """Layers that are not cut and lose filters all the same, with what they keep; depthwise ones follow their input."""
    uncut = [row for row in pruning_plan.rows if verdict_word(row.verdict) not in ("cut", "grouped", "depthwise")]
    shrunk = [row for row in uncut if row.rows[0] < row.rows[1]]
    described = [f"{row.name} keeps {row.rows[0]} of {row.rows[1]}" for row in shrunk[:NAMED]]
    return ", ".join(described) + (f" and {len(shrunk) - NAMED} more" if len(shrunk) > NAMED else "")


def readers(row: Row) -> str:
    more = len(row.readers) - SHOWN
    return (f"+{more} " if more > 0 else "") + ", ".join(row.readers[:SHOWN])


def verdict_word(verdict: str) -> str:
    """The word of a verdict; the rest of it stands below the table."""
    return verdict.partition(":")[0]

"""sensitivity=true: how much each layer minds being pruned alone; a table, a plot, and ratios that a bound allows."""

from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.progress import track
from rich.table import Table
from torch import nn

from datamodules.shares import Shard
from experiments.config.refusal import refusals
from experiments.config.schema import Settings
from experiments.evaluate import measure
from experiments.records.record import write_json
from experiments.report.render import charts
from experiments.run.context import RunContext
from experiments.run.failures import running
from experiments.run.prepare import prepare
from experiments.run.run_name import check_name_is_free
from experiments.run.selection import needs_batches, observed_batches
from experiments.run.stages import StageResult, train_baseline
from experiments.system.activity import activity
from experiments.system.console import console, log
from experiments.trainer import ranks
from pruning.files import durable
from pruning.sensitivity import Point, scan, tolerated_ratios

LEGEND_ROWS = 20


def run(settings: Settings) -> Path | None:
    """The folder that holds sensitivity.json and .png; None in a further process of the same run."""
    with refusals():
        context = prepare(settings)
        refuse_unscannable(context)
        check_name_is_free(context.folder)
    with running(context):
        dense = train_baseline(context)
        return scan_layers(context, dense) if ranks.end_group() else None


def refuse_unscannable(context: RunContext) -> None:
    if not context.data.sizes["val"]:
        raise ValueError("sensitivity=true looks at validation accuracy, and data.val=0 leaves none: set data.val=0.1")
    if context.method.needs_training or "budget" not in context.settings.method.arguments:
        raise ValueError(
            "sensitivity=true needs a method that decides on the network as it is, such as l1 or random, "
            f"got method={context.settings.choice.method}"
        )


def scan_layers(context: RunContext, dense: StageResult) -> Path:
    """Of the dense network, on the validation part."""
    loader, options = context.data.val_dataloader(), context.settings.scan

    def accuracy(network: nn.Module) -> float:
        return measure.answers(network, loader, context.device).accuracy

    before, steps = accuracy(dense.network), context.steps("prune")
    shown = observed_batches(context, dense.network, Shard()) if needs_batches(context.method) else ()
    scanned = scan(dense.network, context.method, context.image_shape, steps, options.ratios, accuracy, shown)
    activity.end()
    points = list(track(scanned, "scanning", console=console, transient=True))
    allowed = tolerated_ratios(points, before, options.bound)
    console.print(accuracy_table(points, allowed, options.ratios))
    folder = context.folder.with_name(f"sensitivity-{context.folder.name}")
    save(folder, points, before, allowed)
    bound = f"ratios that lose at most {100 * options.bound:g} points, as a budget:"
    log(f"dense {100 * before:.2f} % on validation; {bound}")
    log(budget_override(allowed))
    log(f"figures and plot in {folder}/sensitivity.json, sensitivity.png")
    return folder


def accuracy_table(points: list[Point], allowed: dict[str, float], ratios: list[float]) -> Table:
    result = Table(title="validation accuracy, one layer pruned alone", box=box.SIMPLE_HEAD, title_justify="left")
    result.add_column("layer", no_wrap=True)
    for ratio in sorted(ratios):
        result.add_column(f"{ratio:g}", justify="right")
    result.add_column("allowed", justify="right", style="bold")
    for site, ratio in allowed.items():
        row = [f"{100 * point.accuracy:.1f}" for point in points if point.site == site]
        result.add_row(site, *row, f"{ratio:g}")
    return result


def budget_override(allowed: dict[str, float]) -> str:
    """The override that prunes every layer by what it tolerates."""
    pairs = ",".join(f"{site}:{ratio:g}" for site, ratio in allowed.items())
    return f"  budget=layer '+budget.table={{{pairs}}}'"


def save(folder: Path, points: list[Point], dense: float, allowed: dict[str, float]) -> None:
    durable.make_folder(folder)
    values = {"dense": dense, "allowed": allowed, "points": [asdict(point) for point in points]}
    write_json(folder / "sensitivity.json", values)
    durable.write(folder / "sensitivity.png", charts.draw_png(plot_spec(points, dense)))


def plot_spec(points: list[Point], dense: float) -> charts.Spec:
    """Accuracy against ratio, one line for each layer, early layers dark."""
    sites = list(dict.fromkeys(point.site for point in points))
    values = [{"layer": p.site, "ratio": p.ratio, "accuracy": p.accuracy} for p in points]
    share, percent = {"title": "share of this layer removed"}, {"title": "validation accuracy", "format": ".0%"}
    legend = {"columns": 1 + len(sites) // LEGEND_ROWS, "title": None, "symbolLimit": 0}
    colour = {"field": "layer", "type": "nominal", "sort": sites, "legend": legend}
    lines = {
        "data": {"values": values},
        "mark": {"type": "line", "point": True, "strokeWidth": 1},
        "encoding": {
            "x": {"field": "ratio", "type": "quantitative", "axis": share},
            "y": {"field": "accuracy", "type": "quantitative", "axis": percent, "scale": {"zero": False}},
            "color": colour | {"scale": {"scheme": "viridis"}},
        },
    }
    unpruned = {"data": {"values": [{"dense": dense}]}, "mark": {"type": "rule", "strokeDash": [6, 4], "color": "#888"}}
    unpruned["encoding"] = {"y": {"field": "dense", "type": "quantitative"}}
    title = "Each layer pruned alone, no training (dashed: the dense network)"
    return charts.complete_spec(
        {"title": title, "width": 640, "height": 360, "background": "white", "layer": [lines, unpruned]}
    )

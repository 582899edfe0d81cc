"""The plot of growth: time and memory over layers, width and runs, on logarithms, each with its fitted line."""

import math
from collections.abc import Iterator
from statistics import mean

from experiments.benchmarks.harness import Row, number
from experiments.report.render import charts

Key = tuple[str, str]  # a piece of work, and what it grows with
WORKS = ("trace", "compaction", "FCF's update", "report")
TITLES = {"seconds": "processor time, s", "peak MB": "peak of memory, MB"}


def group_curves(rows: list[Row]) -> dict[Key, list[Row]]:
    """What belongs to one curve, in the order of size."""
    by_key: dict[Key, list[Row]] = {}
    for row in sorted(rows, key=lambda row: number(row, "size")):
        by_key.setdefault((str(row["work"]), str(row["by"])), []).append(row)
    return by_key


def render_png(rows: list[Row], fitted: dict[str, dict[Key, float]]) -> bytes:
    """A PNG. `fitted`: exponents by figure; a curve without one is not shown."""
    return charts.draw_png(plot_spec(rows, fitted))


def plot_spec(rows: list[Row], fitted: dict[str, dict[Key, float]]) -> charts.Spec:
    points = [point for figure in TITLES for point in figure_points(rows, figure, fitted[figure])]
    sizes: dict[str, list[float]] = {}
    for (_, by), curve in group_curves(rows).items():
        sizes[by] = sorted({*sizes.get(by, []), *(number(row, "size") for row in curve)})
    lines = [{"hconcat": [panel_spec(figure, by, sizes[by]) for by in sizes], "spacing": 28} for figure in TITLES]
    return charts.complete_spec(
        {"vconcat": lines, "spacing": 28, "background": "white", "datasets": {"points": points}}
    )


def figure_points(rows: list[Row], figure: str, fitted: dict[Key, float]) -> Iterator[Row]:
    """Every point beside where its curve's line passes; the line's name stands at its last one."""
    for key, curve in group_curves(rows).items():
        if key not in fitted:
            continue
        scale = mean(math.log(number(row, figure)) - fitted[key] * math.log(number(row, "size")) for row in curve)
        for row in curve:
            name = f"size^{fitted[key]:.2f}" if row is curve[-1] else ""
            point = {"work": row["work"], "by": row["by"], "size": row["size"], "figure": figure}
            fit = math.exp(scale + fitted[key] * math.log(number(row, "size")))
            yield point | {"value": row[figure], "fit": fit, "name": name}


def panel_spec(figure: str, by: str, sizes: list[float]) -> charts.Spec:
    axis = {"title": by, "grid": False, "values": sizes, "labelOverlap": "greedy"}
    size = {"field": "size", "type": "quantitative", "scale": {"type": "log", "nice": False, "padding": 14}}
    domain = {"domain": list(WORKS), "range": list(charts.COLOURS[: len(WORKS)])}
    legend = {"orient": "top", "title": None}
    text = {"type": "text", "align": "right", "dy": -12, "fontSize": 11}
    value, fit = (log_axis(field, TITLES[figure]) for field in ("value", "fit"))
    return {
        "data": {"name": "points"},
        "transform": [{"filter": f"datum.figure === '{figure}' && datum.by === '{by}'"}],
        "width": 190,
        "height": 180,
        "encoding": {
            "x": size | {"axis": axis},
            "color": {"field": "work", "type": "nominal", "scale": domain, "legend": legend},
        },
        "layer": [
            {"mark": {"type": "point", "filled": True, "size": 45}, "encoding": {"y": value}},
            {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": {"y": fit}},
            {"mark": text, "encoding": {"y": fit, "text": {"field": "name"}}},
        ],
    }


def log_axis(field: str, title: str) -> charts.Spec:
    axis = {"title": title, "tickCount": 4, "format": "~g"}
    return {"field": field, "type": "quantitative", "scale": {"type": "log", "padding": 16}, "axis": axis}

"""The chart of the page: accuracy against what was saved. Vega-Lite, as in charts.py."""

from collections.abc import Sequence

from experiments.report.load.runs import Figure
from experiments.report.render.charts import QUIET, Spec, colour_encoding, complete_spec, shape_encoding

FRONT = "#98a2ad"
DASHES = [[1, 0], [10, 7], [3, 6], [16, 5, 3, 5]]  # of fronts, one for each comparison
BLOCKS = [[1, 0], [6, 3], [2, 2]]  # of curves: those of one colour differ
UNITS = {"cut": (".0%", ""), "macs": (".2s", ", multiply-adds")}


def pareto_chart(axis: Figure, curves: dict[str, tuple[str, str]], legend: bool = False) -> Spec:
    """Accuracy against what was saved. Data: settings, runs, dense, published. `lit`: the setting that is looked at."""
    form, unit = UNITS[axis.unit]
    x = {
        "field": "at" if axis.key == "macs_cut" else axis.key,  # rows of equal rates stand beside each other
        "type": "quantitative",
        "axis": {"format": form, "title": axis_title(axis) + unit, "grid": False, "tickCount": 8},
    }
    x["scale"] = {"zero": axis.unit == "cut", "nice": True}
    y = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False, "nice": True}}
    y["axis"] = {"format": ".1~%", "title": "test accuracy", "tickCount": 6}
    valid: list[Spec] = [{"filter": f"isValid(datum['{axis.key}'])"}]
    layers = [
        dense_layer(),
        front_layer(valid, "step-before" if axis.rising else "step-after"),
        mean_layer(),
        interval_layer(),
        arrow_layer(),
        point_layer(axis, curves, legend),
        run_layer(),
        published_layer(axis, curves),
    ]
    encoding = {"x": x, "y": y, "color": colour_encoding(curves, legend)}
    return complete_spec(
        {
            "params": [{"name": "lit", "value": ""}],
            "data": {"name": "settings"},
            "transform": valid,
            "width": "container",
            "height": 400,
            "encoding": encoding,
            "layer": layers,
        }
    )


def axis_title(axis: Figure) -> str:
    return {"train_macs": "training cost of all stages"}.get(
        axis.key, axis.title.replace(" cut", " removed, share of dense")
    )


def dense_layer() -> Spec:
    encoding = {"x": None, "color": {"value": QUIET}, "y": {"field": "accuracy", "type": "quantitative"}}
    line = {"mark": {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1.5}, "encoding": encoding}
    text = {"type": "text", "align": "left", "baseline": "bottom", "dx": 4, "dy": -4}
    label = {"mark": text, "encoding": encoding | {"x": {"value": 0}, "text": {"field": "label"}}}
    return {"data": {"name": "dense"}, "layer": [line, label]}


def front_layer(valid: list[Spec], stairs: str) -> Spec:
    """Stairs: between two of its rows a front promises no more than the next one reached."""
    on_front = [*valid, {"filter": "datum.front >= 0"}]
    encoding = {"detail": {"field": "front"}, "color": {"value": FRONT}, "strokeDash": dashes("front", DASHES)}
    line = {"type": "line", "interpolate": stairs, "strokeWidth": 7, "opacity": 0.28, "strokeJoin": "round"}
    return {"transform": on_front, "mark": line, "encoding": encoding}


def mean_layer() -> Spec:
    encoding = {"strokeDash": dashes("block", BLOCKS)}
    return {"mark": {"type": "line", "strokeWidth": 2, "opacity": 0.85}, "encoding": encoding}


def dashes(field: str, patterns: Sequence[Sequence[int]]) -> Spec:
    """By a number of the row; a scale would be shared by all layers."""
    conditions = [{"test": f"datum.{field} === {place}", "value": dash} for place, dash in enumerate(patterns)]
    return {"condition": conditions, "value": patterns[-1]}


def arrow_layer() -> Spec:
    """From the accuracy as cut to the accuracy as fine-tuned, where the reader asked for both: `before` is there."""
    ends = {"y": {"field": "before", "type": "quantitative"}, "y2": {"field": "accuracy"}}
    foot = {"mark": {"type": "tick", "size": 9, "thickness": 2}, "encoding": {"y": ends["y"]}}
    middle = {
        "transform": [{"filter": "isValid(datum.middle)"}],
        "mark": {"type": "tick", "size": 9, "thickness": 2, "opacity": 0.6},
        "encoding": {"y": {"field": "middle", "type": "quantitative"}},
    }
    line = {"mark": {"type": "rule", "strokeWidth": 1.5, "strokeDash": [3, 2]}, "encoding": ends}
    return {"transform": [{"filter": "isValid(datum.before)"}], "layer": [line, foot, middle]}


def interval_layer() -> Spec:
    """As far as an accuracy can lie: Student's t knows no bounds. Two seeds stand as two marks."""
    ends = {"y": {"field": "bottom", "type": "quantitative"}, "y2": {"field": "top"}}
    bounded = [{"calculate": "max(datum.low, 0)", "as": "bottom"}, {"calculate": "min(datum.high, 1)", "as": "top"}]
    return {
        "transform": [{"filter": "datum.n > 2"}, *bounded],
        "mark": {"type": "rule", "strokeWidth": 1.5},
        "encoding": ends,
    }


def run_layer() -> Spec:
    tips: list[Spec] = [{"field": "seed", "title": "seed"}, {"field": "accuracy", "format": ".2%", "title": "accuracy"}]
    mark = {"type": "point", "filled": True, "size": 34, "opacity": 1, "stroke": "#ffffff", "strokeWidth": 1}
    return {
        "data": {"name": "runs"},
        "transform": [{"filter": "datum.id === lit || datum.n === 2"}],
        "mark": mark,
        "encoding": {"tooltip": tips},
    }


def published_layer(axis: Figure, curves: dict[str, tuple[str, str]]) -> Spec:
    """What a paper printed: a large hollow mark of a broken line, with its name."""
    place = {"x": {"field": axis.key, "type": "quantitative"}}
    tips: list[Spec] = [
        {"field": "source", "title": "published"},
        {"field": "accuracy", "format": ".2%", "title": "accuracy"},
        {"field": axis.key, "format": ".1%", "title": axis.title},
        {"field": "counted", "title": "counted"},
    ]
    mark = {"type": "point", "filled": False, "size": 260, "strokeWidth": 1.5, "strokeDash": [2, 2], "opacity": 1}
    text = {"type": "text", "align": "left", "baseline": "middle", "dx": 12, "fontSize": 11}
    return {
        "data": {"name": "published"},
        "transform": [{"filter": f"isValid(datum['{axis.key}'])"}],
        "encoding": place | {"tooltip": tips},
        "layer": [
            {"mark": mark, "encoding": {"shape": shape_encoding(curves) | {"legend": None}}},
            {"mark": text, "encoding": {"text": {"value": "published"}, "color": {"value": QUIET}}},
        ],
    }


def point_layer(axis: Figure, curves: dict[str, tuple[str, str]], legend: bool) -> Spec:
    lit = {"test": "datum.id === lit", "value": 190}
    encoding = {
        "shape": shape_encoding(curves, legend),
        "fill": colour_encoding(curves) | {"legend": None},
        "fillOpacity": {"condition": {"test": "datum.n > 1", "value": 1}, "value": 0},
        "size": {"condition": lit, "value": 80},
        "tooltip": [
            {"field": "curve", "title": "method"},
            {"field": "asked", "title": "asked"},
            {"field": "shown", "title": "accuracy"},
            {"field": axis.key, "title": axis.title, "format": ".1%" if axis.unit == "cut" else ".3s"},
            {"field": "n", "title": "seeds"},
        ],
    }
    mark = {"type": "point", "strokeWidth": 2, "opacity": 1, "cursor": "pointer"}
    return {"mark": mark, "encoding": encoding}

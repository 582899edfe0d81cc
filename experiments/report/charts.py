"""Charts as Vega-Lite: plain dicts over named data sets, the same for the page and for files."""

from typing import Any

from experiments.report.runs import Figure

Spec = dict[str, Any]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
# Okabe and Ito's colours, which the colour-blind tell apart, the light ones darkened for white paper.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b87900", "#3a9bdc", "#8064c8", "#8a8f98")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "triangle-left")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK, QUIET, FRONT = "#1d2329", "#5d6670", "#98a2ad"
STRIP = 26  # pixels of a method in the heat map
APART: Spec = {"xOffset": {"expr": "datum.apart"}}  # pixels, so that intervals at one cut do not hide each other
UNITS = {"cut": (".0%", ""), "macs": (".2s", ", multiply-adds")}


def look(position: int) -> tuple[str, str]:
    """Colour and shape of a curve; the pair stays unique for 64."""
    return COLOURS[position % len(COLOURS)], SHAPES[(position + position // len(COLOURS)) % len(SHAPES)]


def spec(body: Spec) -> Spec:
    return {"$schema": SCHEMA, "background": None, "config": CONFIG, **body}


CONFIG: Spec = {
    "font": FONT,
    "view": {"stroke": None},
    "axis": {
        "domain": False,
        "ticks": False,
        "gridColor": "#e4e8ec",
        "labelColor": QUIET,
        "titleColor": INK,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": 500,
        "labelPadding": 6,
        "titlePadding": 10,
    },
    "legend": {"labelColor": INK, "titleColor": INK, "labelLimit": 320, "labelFontSize": 12, "titleFontSize": 12},
    "header": {"labelColor": INK, "labelFontSize": 12, "labelFontWeight": 500, "title": None},
    "text": {"fontSize": 12},
}


def colour(curves: dict[str, tuple[str, str]], legend: bool = False) -> Spec:
    domain, shown = list(curves), {"orient": "top", "columns": 2, "title": None, "symbolStrokeWidth": 2}
    scale = {"domain": domain, "range": [curves[each][0] for each in domain]}
    return {"field": "curve", "type": "nominal", "scale": scale, "legend": shown if legend else None}


def shape(curves: dict[str, tuple[str, str]], legend: bool = False) -> Spec:
    return colour(curves, legend) | {"scale": {"domain": list(curves), "range": [each[1] for each in curves.values()]}}


def pareto(axis: Figure, curves: dict[str, tuple[str, str]], legend: bool = False) -> Spec:
    """Accuracy against what was saved. Data: settings, runs, dense. `lit`: the setting that is looked at."""
    form, unit = UNITS[axis.unit]
    x = {
        "field": axis.key,
        "type": "quantitative",
        "axis": {"format": form, "title": axis_title(axis) + unit, "grid": False, "tickCount": 8},
    }
    x["scale"] = {"zero": axis.unit == "cut", "nice": True}
    y = {"field": "accuracy", "type": "quantitative", "scale": {"zero": False, "nice": True}}
    y["axis"] = {"format": ".1~%", "title": "test accuracy", "tickCount": 6}
    here = [{"filter": f"isValid(datum['{axis.key}'])"}]
    layers = [dense(), front(here), means(), intervals(), single(), points(axis, curves, legend)]
    encoding = {"x": x, "y": y, "color": colour(curves, legend)}
    return spec(
        {
            "params": [{"name": "lit", "value": ""}],
            "data": {"name": "settings"},
            "transform": here,
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


def dense() -> Spec:
    own = {"x": None, "color": {"value": QUIET}, "y": {"field": "accuracy", "type": "quantitative"}}
    line = {"mark": {"type": "rule", "strokeDash": [2, 3], "strokeWidth": 1.5}, "encoding": own}
    words = {"type": "text", "align": "left", "baseline": "bottom", "dx": 4, "dy": -4}
    label = {"mark": words, "encoding": own | {"x": {"value": 0}, "text": {"field": "label"}}}
    return {"data": {"name": "dense"}, "layer": [line, label]}


def front(here: list[Spec]) -> Spec:
    kept = [*here, {"filter": "datum.front >= 0"}]
    own = {"detail": {"field": "front"}, "color": {"value": FRONT}}
    line = {"type": "line", "strokeWidth": 9, "opacity": 0.28, "strokeCap": "round", "strokeJoin": "round"} | APART
    return {"transform": kept, "mark": line, "encoding": own}


def means() -> Spec:
    return {"mark": {"type": "line", "strokeWidth": 2, "opacity": 0.85} | APART}


def intervals() -> Spec:
    ends = {"y": {"field": "low", "type": "quantitative"}, "y2": {"field": "high"}}
    return {
        "transform": [{"filter": "datum.n > 1"}],
        "mark": {"type": "rule", "strokeWidth": 1.5} | APART,
        "encoding": ends,
    }


def single() -> Spec:
    tips: list[Spec] = [{"field": "seed", "title": "seed"}, {"field": "accuracy", "format": ".2%", "title": "accuracy"}]
    mark = {"type": "point", "filled": True, "size": 26, "opacity": 0.9} | APART
    return {
        "data": {"name": "runs"},
        "transform": [{"filter": "datum.id === lit"}],
        "mark": mark,
        "encoding": {"tooltip": tips},
    }


def points(axis: Figure, curves: dict[str, tuple[str, str]], legend: bool) -> Spec:
    lit = {"test": "datum.id === lit", "value": 190}
    own = {
        "shape": shape(curves, legend),
        "fill": colour(curves) | {"legend": None},
        "fillOpacity": {"condition": {"test": "datum.n > 1", "value": 1}, "value": 0},
        "size": {"condition": lit, "value": 80},
        "tooltip": [
            {"field": "curve", "title": "method"},
            {"field": "asked", "title": "asked"},
            {"field": "shown", "title": "fine-tuned"},
            {"field": axis.key, "title": axis.title, "format": ".1%" if axis.unit == "cut" else ".3s"},
            {"field": "n", "title": "seeds"},
        ],
    }
    return {"mark": {"type": "point", "strokeWidth": 2, "opacity": 1, "cursor": "pointer"} | APART, "encoding": own}


def heat(layers: list[str]) -> Spec:
    """Share of kernels kept: layers from input to output, methods below each other. Data: layers."""
    names = {"title": None, "labelAngle": -90, "labelLimit": 110, "labelFontSize": 10, "labelOverlap": True}
    x = {"field": "layer", "type": "nominal", "sort": layers, "axis": names}
    y = {"field": "curve", "type": "nominal", "axis": {"title": None, "labelLimit": 230}}
    legend: Spec = {
        "orient": "top",
        "title": "kernels kept",
        "format": ".0%",
        "gradientLength": 160,
        "titleOrient": "left",
    }
    kept = {"field": "kept", "type": "quantitative", "scale": {"domain": [0, 1], "scheme": "cividis"}, "legend": legend}
    tips: list[Spec] = [{"field": "curve", "title": "method"}, {"field": "layer"}, {"field": "kept", "format": ".1%"}]
    return spec(
        {
            "data": {"name": "layers"},
            "width": "container",
            "height": STRIP,  # of one method; times their number where it is drawn
            "mark": {"type": "rect", "stroke": "#80808040", "strokeWidth": 0.5},
            "encoding": {"x": x, "y": y, "color": kept, "tooltip": tips},
        }
    )


def training(curves: dict[str, tuple[str, str]]) -> Spec:
    """Accuracy along pruning (dashed) and fine-tuning. Data: series."""
    x = {
        "field": "epoch",
        "type": "quantitative",
        "axis": {"title": "epochs after the dense network", "grid": False, "tickMinStep": 1},
    }
    y = {
        "field": "value",
        "type": "quantitative",
        "axis": {"format": ".0%", "title": "accuracy, mean over seeds"},
        "scale": {"zero": False},
    }
    dash = {"condition": {"test": "datum.stage === 'prune'", "value": [4, 3]}, "value": [1, 0]}
    tips: list[Spec] = [{"field": "curve", "title": "method"}, {"field": "stage"}, {"field": "epoch"}]
    tips.append({"field": "value", "format": ".2%", "title": "accuracy"})
    mark = {"type": "line", "strokeWidth": 2, "point": {"size": 24}}
    encoding = {
        "x": x,
        "y": y,
        "color": colour(curves),
        "strokeDash": dash,
        "detail": {"field": "stage"},
        "tooltip": tips,
    }
    return spec({"data": {"name": "series"}, "width": "container", "height": 300, "mark": mark, "encoding": encoding})


def inside(curves: dict[str, tuple[str, str]]) -> Spec:
    """What methods say of themselves while they learn their choice, one small chart for each figure. Data: inside."""
    x = {"field": "epoch", "type": "quantitative", "axis": {"title": None, "grid": False, "tickMinStep": 1}}
    y = {"field": "value", "type": "quantitative", "axis": {"title": None, "tickCount": 4}}
    tips: list[Spec] = [{"field": "curve", "title": "method"}, {"field": "epoch"}, {"field": "value", "format": ".4g"}]
    mark = {"type": "line", "strokeWidth": 2, "point": {"size": 24}}
    facet = {"field": "figure", "type": "nominal", "header": {"labelOrient": "top", "labelAnchor": "start"}}
    encoding = {"x": x, "y": y, "color": colour(curves), "tooltip": tips}
    child = {"width": 210, "height": 110, "mark": mark, "encoding": encoding}
    return spec(
        {
            "data": {"name": "inside"},
            "facet": facet,
            "columns": 3,
            "resolve": {"scale": {"y": "independent"}},
            "spec": child,
        }
    )

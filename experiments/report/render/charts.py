"""Charts as Vega-Lite: plain dicts over named data sets, the same for the page and for files."""

from collections.abc import Mapping

Spec = dict[str, object]
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
# Okabe and Ito's colours, which the colour-blind tell apart, the light ones darkened for white paper.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b87900", "#3a9bdc", "#8064c8", "#8a8f98")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right", "triangle-left")
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
INK, QUIET = "#1d2329", "#5d6670"
STRIP = 26  # pixels of a method in the heat map


def curve_style(position: int) -> tuple[str, str]:
    """Colour and shape of a curve; the pair stays unique for 64."""
    return COLOURS[position % len(COLOURS)], SHAPES[(position + position // len(COLOURS)) % len(SHAPES)]


def draw_png(spec: Spec, density: int = 2) -> bytes:
    """`density`: pixels of a point."""
    import vl_convert

    return vl_convert.vegalite_to_png(spec, scale=density, allowed_base_urls=[])


def complete_spec(body: Mapping[str, object]) -> Spec:
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


def colour_encoding(curves: dict[str, tuple[str, str]], legend: bool = False) -> Spec:
    domain, legend_spec = list(curves), {"orient": "top", "columns": 2, "title": None, "symbolStrokeWidth": 2}
    scale = {"domain": domain, "range": [curves[curve][0] for curve in domain]}
    return {"field": "curve", "type": "nominal", "scale": scale, "legend": legend_spec if legend else None}


def shape_encoding(curves: dict[str, tuple[str, str]], legend: bool = False) -> Spec:
    return colour_encoding(curves, legend) | {
        "scale": {"domain": list(curves), "range": [style[1] for style in curves.values()]}
    }


def heat_map(layers: list[str]) -> Spec:
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
    return complete_spec(
        {
            "data": {"name": "layers"},
            "width": "container",
            "height": STRIP,  # of one method; times their number where it is drawn
            "mark": {"type": "rect", "stroke": "#80808040", "strokeWidth": 0.5},
            "encoding": {"x": x, "y": y, "color": kept, "tooltip": tips},
        }
    )


def training_chart(curves: dict[str, tuple[str, str]]) -> Spec:
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
        "color": colour_encoding(curves),
        "strokeDash": dash,
        "detail": {"field": "stage"},
        "tooltip": tips,
    }
    return complete_spec(
        {"data": {"name": "series"}, "width": "container", "height": 300, "mark": mark, "encoding": encoding}
    )


def method_chart(curves: dict[str, tuple[str, str]]) -> Spec:
    """What methods say of themselves while they learn their choice, one small chart for each figure. Data: inside."""
    x = {"field": "epoch", "type": "quantitative", "axis": {"title": None, "grid": False, "tickMinStep": 1}}
    y = {"field": "value", "type": "quantitative", "axis": {"title": None, "tickCount": 4}}
    tips: list[Spec] = [{"field": "curve", "title": "method"}, {"field": "epoch"}, {"field": "value", "format": ".4g"}]
    mark = {"type": "line", "strokeWidth": 2, "point": {"size": 24}}
    facet = {"field": "figure", "type": "nominal", "header": {"labelOrient": "top", "labelAnchor": "start"}}
    encoding = {"x": x, "y": y, "color": colour_encoding(curves), "tooltip": tips}
    child = {"width": 210, "height": 110, "mark": mark, "encoding": encoding}
    return complete_spec(
        {
            "data": {"name": "inside"},
            "facet": facet,
            "columns": 3,
            "align": "all",
            "bounds": "flush",
            "spacing": {"row": 44, "column": 48},
            "resolve": {"scale": {"y": "independent"}},
            "spec": child,
        }
    )

"""PNG and SVG for papers: the page's own charts, with a legend, each beside the other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.report.analyse import claims
from experiments.report.analyse.configurations import Comparison
from experiments.report.analyse.fairness import FAIR
from experiments.report.load.text import slug
from experiments.report.render import charts, data, pareto, view
from pruning.files import durable

WIDTH, DENSITY = 640, 3  # points; pixels for each of them in a PNG


def write(folder: Path, sections: list[Comparison]) -> list[Path]:
    import vl_convert

    durable.make_folder(folder)
    written = []
    for name, spec in drawings(sections):
        svg, png = folder / f"{name}.svg", folder / f"{name}.png"
        durable.write(svg, vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode())
        durable.write(png, vl_convert.vegalite_to_png(spec, scale=DENSITY, allowed_base_urls=[]))
        written += [svg, png]
    return written


def drawings(sections: list[Comparison]) -> Iterator[tuple[str, charts.Spec]]:
    """File names without their endings, and whole specs."""
    looks = view.looks(sections)
    for comparison in sections:
        curves = view.looks_of(comparison, looks)
        for axis in view.axes(comparison):
            yield (
                slug(f"{comparison.title}-{axis.key}"),
                on_paper(pareto.pareto(axis, curves, legend=True), points(comparison, axis.key)),
            )
        for rate, rows in heat_rows(comparison).items():
            height = charts.STRIP * len({row["curve"] for row in rows})
            spec = charts.heat(data.layers(comparison)) | {"height": height}
            yield slug(f"{comparison.title}-layers-{rate}"), on_paper(spec, {"layers": rows})


def on_paper(spec: charts.Spec, datasets: dict[str, Any]) -> charts.Spec:
    return spec | {"width": WIDTH, "background": "white", "datasets": datasets}


def points(comparison: Comparison, axis: str) -> dict[str, data.Rows]:
    """With the front that the page shows at first."""
    given = claims.protocols(comparison)
    fronts = data.ranked(comparison, given, FAIR)["fronts"][axis]
    settings = [row | {"front": fronts.get(row["id"], -1)} for row in data.configurations(comparison, given)]
    return {"settings": settings, "runs": data.runs(comparison), "dense": data.dense(comparison, given)}


def heat_rows(comparison: Comparison) -> dict[str, data.Rows]:
    """By rate, as the page's own script lays them out."""
    given, names = claims.protocols(comparison), data.layers(comparison)
    rates = view.rates(comparison, given)
    found: dict[str, data.Rows] = {}
    for row in data.configurations(comparison, given):
        rows = found.setdefault(f"{100 * rates[row['rate']]:.0f}", [])
        rows += [
            {"curve": row["curve"], "layer": name, "kept": kept} for name, kept in zip(names, row["kept"], strict=True)
        ]
    return found

"""PNG and SVG for papers: the page's own charts, with a legend, each beside the other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.report.analyse import claims
from experiments.report.analyse.fairness import FAIR
from experiments.report.analyse.settings import Section
from experiments.report.load.words import slug
from experiments.report.render import charts, data, pareto, view
from pruning.files import durable

WIDTH, DENSITY = 640, 3  # points; pixels for each of them in a PNG


def write(folder: Path, sections: list[Section]) -> list[Path]:
    import vl_convert

    durable.make_folder(folder)
    written = []
    for name, spec in drawings(sections):
        svg, png = folder / f"{name}.svg", folder / f"{name}.png"
        durable.write(svg, vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode())
        durable.write(png, vl_convert.vegalite_to_png(spec, scale=DENSITY, allowed_base_urls=[]))
        written += [svg, png]
    return written


def drawings(sections: list[Section]) -> Iterator[tuple[str, charts.Spec]]:
    """File names without their endings, and whole specs."""
    looks = view.looks(sections)
    for section in sections:
        curves = view.looks_of(section, looks)
        for axis in view.axes(section):
            yield (
                slug(f"{section.title}-{axis.key}"),
                on_paper(pareto.pareto(axis, curves, legend=True), points(section, axis.key)),
            )
        for rate, rows in heat_rows(section).items():
            height = charts.STRIP * len({row["curve"] for row in rows})
            spec = charts.heat(data.layers(section)) | {"height": height}
            yield slug(f"{section.title}-layers-{rate}"), on_paper(spec, {"layers": rows})


def on_paper(spec: charts.Spec, datasets: dict[str, Any]) -> charts.Spec:
    return spec | {"width": WIDTH, "background": "white", "datasets": datasets}


def points(section: Section, axis: str) -> dict[str, data.Rows]:
    """With the front that the page shows at first."""
    given = claims.protocols(section)
    fronts = data.ranked(section, given, FAIR)["fronts"][axis]
    settings = [row | {"front": fronts.get(row["id"], -1)} for row in data.settings(section, given)]
    return {"settings": settings, "runs": data.runs(section), "dense": data.dense(section, given)}


def heat_rows(section: Section) -> dict[str, data.Rows]:
    """By rate, as the page's own script lays them out."""
    given, names = claims.protocols(section), data.layers(section)
    rates = view.rates(section, given)
    found: dict[str, data.Rows] = {}
    for row in data.settings(section, given):
        rows = found.setdefault(f"{100 * rates[row['rate']]:.0f}", [])
        rows += [
            {"curve": row["curve"], "layer": name, "kept": kept} for name, kept in zip(names, row["kept"], strict=True)
        ]
    return found

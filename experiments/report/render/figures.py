"""PNG and SVG for papers: the page's own charts, with a legend, each beside the other."""

from collections.abc import Iterator
from pathlib import Path

from experiments.report.analyse import claims
from experiments.report.analyse.configurations import Comparison
from experiments.report.analyse.fairness import FAIR
from experiments.report.load.runs import Figure
from experiments.report.load.text import slug
from experiments.report.render import chart_data, charts, pareto, section_view
from pruning.files import durable

WIDTH, DENSITY = 640, 3  # points; pixels for each of them in a PNG


def write_figures(folder: Path, sections: list[Comparison]) -> list[Path]:
    import vl_convert

    durable.make_folder(folder)
    written = []
    for name, spec in figure_specs(sections):
        svg, png = folder / f"{name}.svg", folder / f"{name}.png"
        durable.write(svg, vl_convert.vegalite_to_svg(spec, allowed_base_urls=[]).encode())
        durable.write(png, charts.draw_png(spec, DENSITY))
        written += [svg, png]
    return written


def figure_specs(sections: list[Comparison]) -> Iterator[tuple[str, charts.Spec]]:
    """File names without their endings, and whole specs."""
    styles = section_view.curve_styles(sections)
    for comparison in sections:
        curves = section_view.section_styles(comparison, styles)
        for axis in section_view.chart_axes(comparison):
            yield (
                slug(f"{comparison.title}-{axis.key}"),
                paper_spec(pareto.pareto_chart(axis, curves, legend=True), pareto_datasets(comparison, axis)),
            )
        for rate, rows in heat_rows(comparison).items():
            height = charts.STRIP * len({row["curve"] for row in rows})
            spec = charts.heat_map(chart_data.layer_names(comparison)) | {"height": height}
            yield slug(f"{comparison.title}-layers-{rate}"), paper_spec(spec, {"layers": rows})


def paper_spec(spec: charts.Spec, datasets: dict[str, chart_data.Rows]) -> charts.Spec:
    return spec | {"width": WIDTH, "background": "white", "datasets": datasets}


def pareto_datasets(comparison: Comparison, axis: Figure) -> dict[str, chart_data.Rows]:
    """With the front that the page shows at first."""
    protocols = claims.build_protocols(comparison)
    fronts = chart_data.front_numbers(comparison, protocols, FAIR, axis)
    rows = chart_data.configuration_rows(comparison, protocols)
    settings = [row | {"front": fronts.get(str(row["id"]), -1)} for row in rows]
    return {
        "settings": settings,
        "runs": chart_data.run_rows(comparison),
        "dense": chart_data.dense_lines(comparison, protocols),
        "published": chart_data.published_rows(comparison),
    }


def heat_rows(comparison: Comparison) -> dict[str, chart_data.Rows]:
    """By rate, as the page's own script lays them out."""
    protocols, names = claims.build_protocols(comparison), chart_data.layer_names(comparison)
    rates, numbers = section_view.mean_rates(comparison, protocols), section_view.rate_numbers(comparison, protocols)
    by_rate: dict[str, chart_data.Rows] = {}
    for row in comparison.configurations:
        shares = zip(names, chart_data.kept_shares(row, names), strict=True)
        rows = by_rate.setdefault(f"{100 * rates[numbers[row.id]]:.0f}", [])
        rows += [{"curve": row.curve, "layer": name, "kept": share} for name, share in shares]
    return by_rate

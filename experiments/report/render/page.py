"""report.html: one file that needs no network, no server and no Python."""

import base64
import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import jinja2

from experiments.report.analyse.configurations import Comparison
from experiments.report.analyse.estimate import COVERED
from experiments.report.analyse.fairness import LEVELS, SAME_RATE
from experiments.report.analyse.significance import FEWEST
from experiments.report.load.collect import Collected, Problem
from experiments.report.load.runs import Run
from experiments.report.load.text import printable
from experiments.report.render import cells, chart_data, glossary, section_view, table_section

MOST_PLAIN = 150  # rows of a page whose tables can be read in its source
MOST_LINES = 20  # of a reason
HERE = Path(__file__).parent / "template"


def render_page(collected: Collected, comparisons: list[Comparison]) -> str:
    styles = section_view.curve_styles(comparisons)
    views = [section_view.section_view(*numbered, styles) for numbered in enumerate(comparisons)]
    data = [chart_data.section_data(comparison, styles) for comparison in comparisons]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"embed_json": embed_json, "pack": pack}
    return environment.get_template("page.html").render(
        sections=views,
        tables=[table_section.table_view(table) for table in collected.tables],
        troubles=[problem_texts(problem) for problem in collected.troubles],
        data=data,
        marks=[chart_data.shown_marks(section) for section in data],
        claims=[claim_values(comparison, section) for comparison, section in zip(comparisons, views, strict=True)],
        made_on=provenance(collected.runs),
        names=glossary.explain_names(collected),
        levels=LEVELS,
        same_rate=SAME_RATE,
        fewest=FEWEST,
        covered=COVERED,
        packed=sum(len(comparison.configurations) for comparison in comparisons) > MOST_PLAIN,
        library=vega_library() if comparisons else "",
    )


def claim_values(comparison: Comparison, section: section_view.View) -> section_view.View:
    """All that the page claims, for whoever recomputes it, with the digests of the records that it rests on."""
    settings = {
        configuration.id: [run.record.digest for run in configuration.runs]
        for configuration in comparison.configurations
    }
    claims = {name: section[name] for name in ("title", "verdicts", "reach", "overlaps")}
    return claims | {
        "settings": settings,
        "cells": {configuration.id: row_cells for configuration, row_cells in cells.table_rows(comparison)},
        "columns": [figure.key for figure in comparison.figures],
    }


def embed_json(value: object) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def pack(text: str) -> str:
    """Of a large page: what its script unpacks."""
    return base64.b64encode(gzip.compress(text.encode(), 6, mtime=0)).decode()


def vega_library() -> str:
    """Vega, Vega-Lite and Vega-Embed, as vl-convert carries them."""
    import vl_convert

    bundle = vl_convert.javascript_bundle(None)  # type: ignore[arg-type]  # its stub forgets the default
    return str(bundle).replace("</script", "<\\/script")


def problem_texts(problem: Problem) -> dict[str, str]:
    lines = problem.reason.splitlines()[:MOST_LINES]
    texts = {name: printable(getattr(problem, name)) for name in ("what", "state", "command", "log")}
    return texts | {"reason": "\n".join(map(printable, lines))}


def provenance(runs: list[Run]) -> dict[str, str]:
    """Hardware, versions and commits: what all have, or all that there are."""
    records = [run.record for run in runs]
    names = sorted({name for record in records for name in record.versions})
    return {
        "devices": join_unique(record.device for record in records),
        "precision": join_unique(record.precision for record in records),
        "commits": join_unique(record.git_commit or "unknown" for record in records),
        **{name: join_unique(record.versions.get(name, "unknown") for record in records) for name in names},
        "classes": join_unique(f"{record.data}: {', '.join(record.classes)}" for record in records),
    }


def join_unique(values: Iterable[str]) -> str:
    return ", ".join(printable(value) for value in sorted(set(values)))

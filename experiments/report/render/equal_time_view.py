"""The page's table of accuracy at equal time: by time axis, by share of the dense network's time, methods in order."""

from experiments.report.analyse.configurations import Comparison
from experiments.report.analyse.equal_time import SHARES, AtTime, rank_at_time
from experiments.report.load.deployed import ACCURACY
from experiments.report.load.runs import Figure
from experiments.report.render import cells
from experiments.system.format import percent

View = dict[str, object]
FEWEST = 2  # curves that make a comparison


def equal_time_views(comparison: Comparison) -> list[View]:
    """Of every axis of time on which two methods meet."""
    axes = [figure for figure in comparison.figures if figure.timed and figure.unit == "cut"]
    views: list[View] = [
        {"axis": axis.title.removeprefix("time cut, "), "rows": time_rows(comparison, axis)} for axis in axes
    ]
    return [view for view in views if view["rows"]]


def time_rows(comparison: Comparison, axis: Figure) -> list[View]:
    by_key = {figure.key: figure for figure in comparison.figures}
    accuracy = by_key[ACCURACY.get(axis.key, "tuned")]
    ranked = {share: rank_at_time(comparison.configurations, axis, accuracy, share) for share in SHARES}
    return [
        {"time": f"{100 * share:g} %", "ranked": [curve_view(at) for at in curves]}
        for share, curves in ranked.items()
        if len(curves) >= FEWEST
    ]


def curve_view(at: AtTime) -> View:
    asked = dict.fromkeys(cells.budget_text(row) for row in at.between)
    return {
        "curve": at.curve,
        "shown": percent(at.accuracy),
        "between": " and ".join(asked),
        "n": min(len(row.runs) for row in at.between),
    }

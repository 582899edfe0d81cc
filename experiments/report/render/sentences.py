"""The claim of a section, rate by rate put together: what its sentences are made of. Plain values only."""

from typing import Any

from experiments.report.analyse.judgement import FEWEST
from experiments.report.analyse.verdict import Verdict
from experiments.report.load.text import join_words
from experiments.report.render import cells
from experiments.system.format import percent

View = dict[str, Any]
FEW = 4  # rates named in a sentence


def claim_views(found: list[Verdict]) -> list[View]:
    """The claim, rates with one outcome together."""
    outcomes: dict[tuple[Any, ...], list[Verdict]] = {}
    for each in found:
        outcomes.setdefault((*outcome(each), each.n, each.one_base, each.images is None), []).append(each)
    return [
        {
            "kind": kind,
            "curves": curves,
            "rates": [percent(each.rate, 0) for each in alike],
            "where": summarise_rates([percent(each.rate, 0) for each in alike], "cuts from {} to {}"),
            "best": [each.judged[0].curve for each in alike],
            "leads": format_leads(alike) if kind == "wins" else "",
            "n": n,
            "one_base": one_base,
            "untested": untested,
            "gap": f"{100 * max(each.gap for each in alike):.1f}",
            "beside": sorted({configuration.curve for each in alike for configuration in (*each.judged, *each.beside)}),
        }
        for (kind, curves, n, one_base, untested), alike in outcomes.items()
    ]


def summarise_rates(words: list[str], form: str) -> str:
    """All of a few; of many how many there are, and the first and the last."""
    return join_words(words) if len(words) <= FEW else f"{len(words)} {form.format(words[0], words[-1])}"


def format_leads(alike: list[Verdict]) -> str:
    """Of the best over the next."""
    found = [each.lead(0, 1) for each in alike]
    if len(found) > FEW:
        means = sorted(lead.mean for lead in found)
        return f"{100 * means[0]:.2f} to {100 * means[-1]:.2f}"
    return join_words([cells.format_estimate(lead, "lead") for lead in found])


def outcome(found: Verdict) -> tuple[str, tuple[str, ...]]:
    if len({each.curve for each in found.judged}) < 2:
        return "apart" if found.beside else "strangers", ()
    if found.n < FEWEST:
        return "trend", ()
    leaders = tuple(sorted({each.curve for each in found.level_with_best}))
    if len(leaders) == 1:
        return "wins", leaders
    return ("even", ()) if len(leaders) == len({each.curve for each in found.judged}) else ("shared", leaders)

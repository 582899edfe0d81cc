"""The claim of a section, rate by rate put together: what its sentences are made of. Plain values only."""

from typing import Any

from experiments.report import cells
from experiments.report.claims import Verdict
from experiments.report.words import listed
from experiments.summary import percent

View = dict[str, Any]
FEW = 4  # rates named in a sentence


def said(found: list[Verdict]) -> list[View]:
    """The claim, rates with one outcome together."""
    outcomes: dict[tuple[str, tuple[str, ...]], list[Verdict]] = {}
    for each in found:
        outcomes.setdefault(outcome(each), []).append(each)
    return [
        {
            "kind": kind,
            "curves": curves,
            "rates": [percent(each.rate, 0) for each in alike],
            "where": summed([percent(each.rate, 0) for each in alike], "cuts from {} to {}"),
            "best": [each.ranked[0].curve for each in alike],
            "leads": leads(alike),
            "n": min(each.n for each in alike),
        }
        for (kind, curves), alike in outcomes.items()
    ]


def summed(words: list[str], form: str) -> str:
    """All of a few; of many how many there are, and the first and the last."""
    return listed(words) if len(words) <= FEW else f"{len(words)} {form.format(words[0], words[-1])}"


def leads(alike: list[Verdict]) -> str:
    found = sorted((lead for each in alike if (lead := each.behind[0]) is not None), key=lambda lead: lead.mean)
    if len(found) > FEW:
        return f"{100 * found[0].mean:.2f} to {100 * found[-1].mean:.2f}"
    return listed([cells.said(lead, "lead") for each in alike if (lead := each.behind[0]) is not None])


def outcome(found: Verdict) -> tuple[str, tuple[str, ...]]:
    if found.n == 1:
        return "trend", ()
    leaders = tuple(sorted({each.curve for each in found.level_with_best}))
    if len(leaders) == 1:
        return "wins", leaders
    return ("even", ()) if len(leaders) == len({each.curve for each in found.ranked}) else ("shared", leaders)

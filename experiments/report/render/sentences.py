"""The claim of a section, rate by rate put together: what its sentences are made of. Plain values only."""

from experiments.report.analyse.significance import FEWEST
from experiments.report.analyse.verdict import Verdict
from experiments.report.load.text import join_words
from experiments.report.render import cells
from experiments.system.format import percent

View = dict[str, object]
FEW = 4  # rates named in a sentence


def claim_views(verdicts: list[Verdict]) -> list[View]:
    """The claim, rates with one outcome together."""
    outcomes: dict[tuple[str, tuple[str, ...], int, bool, bool], list[Verdict]] = {}
    for verdict in verdicts:
        key = (*outcome(verdict), verdict.n, verdict.one_base, verdict.images is None)
        outcomes.setdefault(key, []).append(verdict)
    return [
        {
            "kind": kind,
            "curves": curves,
            "rates": [percent(verdict.rate, 0) for verdict in grouped],
            "where": summarise_rates([percent(verdict.rate, 0) for verdict in grouped], "cuts from {} to {}"),
            "best": [verdict.judged[0].curve for verdict in grouped],
            "leads": format_leads(grouped) if kind == "wins" else "",
            "n": n,
            "one_base": one_base,
            "untested": untested,
            "gap": f"{100 * max(verdict.gap for verdict in grouped):.1f}",
            "beside": sorted({row.curve for verdict in grouped for row in (*verdict.judged, *verdict.beside)}),
        }
        for (kind, curves, n, one_base, untested), grouped in outcomes.items()
    ]


def summarise_rates(rates: list[str], template: str) -> str:
    """All of a few; of many how many there are, and the first and the last."""
    return join_words(rates) if len(rates) <= FEW else f"{len(rates)} {template.format(rates[0], rates[-1])}"


def format_leads(verdicts: list[Verdict]) -> str:
    """Of the best over the next."""
    estimates = [verdict.lead(0, 1) for verdict in verdicts]
    if len(estimates) > FEW:
        means = sorted(lead.mean for lead in estimates)
        return f"{100 * means[0]:.2f} to {100 * means[-1]:.2f}"
    return join_words([cells.format_estimate(lead, "lead") for lead in estimates])


def outcome(verdict: Verdict) -> tuple[str, tuple[str, ...]]:
    if len({row.curve for row in verdict.judged}) < 2:
        return "apart" if verdict.beside else "strangers", ()
    if verdict.n < FEWEST:
        return "trend", ()
    leaders = tuple(sorted({row.curve for row in verdict.level_with_best}))
    if len(leaders) == 1:
        return "wins", leaders
    return ("even", ()) if len(leaders) == len({row.curve for row in verdict.judged}) else ("shared", leaders)

"""The claim of a section: a sentence of at most two lines, the rest below it, a line for each cut. Plain values."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean
from typing import NamedTuple

from experiments.report.analyse.configurations import Configuration
from experiments.report.analyse.significance import FEWEST
from experiments.report.analyse.verdict import Verdict
from experiments.report.load.text import join_words
from experiments.report.render import cells
from experiments.system.format import percent

View = dict[str, object]
Part = tuple[str, bool]  # words, and whether they stand out
LONGEST = 22  # letters of a name in the top sentence
WINNERS = 2  # named there
NAMED = 3  # methods named in a sentence; of more the first ones, and how many are left
COUNTS = {1: "one seed", 2: "two seeds"}


class Claim(NamedTuple):
    """`line` has no more than 80 letters, two lines of a phone; `rest` stands below it."""

    line: list[Part]
    rest: str = ""


def headline(verdicts: Sequence[Verdict], rows: Sequence[Configuration]) -> Claim:
    """Who is ahead, whether that is certain, and on how many seeds."""
    if not verdicts:
        return alone(rows)
    cuts = [best_of(near) for near in group_near(verdicts)]
    return one_cut(cuts[0]) if len(cuts) == 1 else many_cuts(cuts)


def group_near(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """Of rows shown beside each other, since methods cannot step more finely, one line: 75.1 and 75.6 % is no news."""
    groups: dict[frozenset[str], list[Verdict]] = {}
    for verdict in verdicts:
        ids = frozenset(row.id for row in (*verdict.judged, *verdict.aside, *verdict.beside))
        groups.setdefault(ids, []).append(verdict)
    return list(groups.values())


def best_of(near: Sequence[Verdict]) -> Verdict:
    return max(near, key=lambda verdict: verdict.accuracy(verdict.leader).mean) if len(near) > 1 else near[0]


def alone(rows: Sequence[Configuration]) -> Claim:
    if len({row.curve for row in rows}) > 1:
        return Claim([("No two methods were both treated and cut alike: none is named ahead.", False)])
    best = max(rows, key=lambda row: row.accuracy.mean)
    reached = f" alone: {accuracy_text(best)} at a cut of {percent(best.macs_cut, 0)} ({seeds_text(best.accuracy.n)})."
    return Claim([name(best), (reached, False)], f"Dense has {dense_text(best)}; there is nothing to compare it with.")


def one_cut(verdict: Verdict) -> Claim:
    rate = percent(verdict.rate, 0)
    kind, seeds = outcome(verdict), seeds_text(verdict.n)
    if kind == "apart":
        names = sorted({row.curve for row in (*verdict.judged, *verdict.beside)})
        gap = f"lie up to {100 * verdict.gap:.1f} points apart; they are shown beside each other."
        unlike = f"Near a cut of {rate} no two cuts are alike: none is named ahead."
        return Claim([(unlike, False)], f"The cuts of {name_some(names)} {gap}")
    if kind == "strangers":
        return Claim([(f"At a cut of {rate} no two methods share a seed: none is named ahead.", False)])
    if kind == "wins":
        line = [name(verdict.leader), (f" wins at a cut of {rate} ({seeds}).", False)]
        return Claim(line, f"{reached_words(verdict)}{base_words([verdict])}.")
    line = [
        (f"At a cut of {rate} ", False),
        name(verdict.leader),
        (f" has the best mean, no clear lead ({seeds}).", False),
    ]
    return Claim(line, f"{reached_words(verdict)}{base_words([verdict])}.")


def reached_words(verdict: Verdict) -> str:
    at = f"With {percent(verdict.rate, 0)} of MACs removed"
    if outcome(verdict) in ("apart", "strangers"):
        return f"{at} nobody is compared"
    reached = f"{verdict.leader.curve} has {accuracy_of_leader(verdict)}, dense {dense_text(verdict.leader)}"
    return f"{at} {reached}; {certain_words(verdict)}"


def many_cuts(verdicts: Sequence[Verdict]) -> Claim:
    wins = Counter(verdict.leader.curve for verdict in verdicts if outcome(verdict) == "wins")
    seeds = f" ({seeds_of(verdicts)})."
    half = min(verdicts, key=lambda verdict: abs(verdict.rate - 0.5))
    trend = " Fewer than three seeds are no result." if all(verdict.n < FEWEST for verdict in verdicts) else ""
    rest = f"{reached_words(half)}{base_words(verdicts)}.{trend}"
    if not wins:
        return Claim([(f"No method is clearly ahead at any of {len(verdicts)} cuts{seeds}", False)], rest)
    parts: list[Part] = []
    for number, (curve, count) in enumerate(wins.most_common(WINNERS)):
        of = f" wins at {count} of {len(verdicts)} cuts" if number == 0 else f" at {count}"
        parts += [(", " if number else "", False), (shorten(curve), True), (of, False)]
    left = len(verdicts) - sum(count for _, count in wins.most_common(WINNERS))
    others = len(verdicts) - sum(wins.values())
    nobody = f"; at {others} nobody" if others and left == others else f"; others at {left}" if left else ""
    return Claim([*parts, (nobody + seeds, False)], rest)


def name(row: Configuration) -> Part:
    return shorten(row.curve), True


def shorten(curve: str) -> str:
    return curve if len(curve) <= LONGEST else curve[: LONGEST - 1] + "…"


def cut_view(near: Sequence[Verdict]) -> View:
    """One line of the small table, cut x winner, of what `group_near` puts together."""
    verdict, rows = best_of(near), list({row.id: row for each in near for row in each.judged}.values())
    kind = outcome(verdict)
    judged = kind in ("wins", "even", "trend")
    rate = fmean(row.macs_cut for row in rows)
    return {
        "rate": percent(rate, 0),
        "share": rate,
        "kind": kind,
        "best": verdict.leader.curve if judged else "",
        "accuracy": accuracy_of_leader(verdict) if judged else cells.MISSING,
        "says": {"apart": "cuts too far apart to judge", "strangers": "no seed in common"}.get(kind)
        or ("wins, " if kind == "wins" else "") + certain_words(verdict),
        "n": verdict.n,
    }


def certain_words(verdict: Verdict) -> str:
    ahead = f"{lead_text(verdict)} points ahead of the next{noisy_words(verdict)}"
    return (ahead if outcome(verdict) == "wins" else not_apart_words(verdict)) + beside_words(verdict)


def beside_words(verdict: Verdict) -> str:
    """Who was cut too unlike these to be judged with them."""
    if not verdict.beside:
        return ""
    names = list(dict.fromkeys(row.curve for row in verdict.beside))
    further = fmean(row.macs_cut for row in verdict.beside) - verdict.rate
    verb, word = "is" if len(names) == 1 else "are", "more" if further > 0 else "less"
    return f"; {name_some(names)} {verb} not compared with these: {100 * abs(further):.1f} points {word} removed"


def outcome(verdict: Verdict) -> str:
    """wins, even, trend (too few seeds); apart (other cuts) and strangers (no common seed) have no best."""
    if len({row.curve for row in verdict.judged}) < 2:
        return "apart" if verdict.beside else "strangers"
    if verdict.n < FEWEST:
        return "trend"
    return "wins" if len({row.curve for row in verdict.level_with_leader}) == 1 else "even"


def not_apart_words(verdict: Verdict) -> str:
    if verdict.n < FEWEST:
        return f"{COUNTS[verdict.n]} each: a trend and no result"
    if verdict.images is None:
        return "nobody can be named ahead: nothing says on how many images they were tested"
    curves = dict.fromkeys(row.curve for row in verdict.level_with_leader if row.curve != verdict.leader.curve)
    if not curves:
        return f"clearly ahead of the next{noisy_words(verdict)}"
    unclear = f"no clear difference from {name_some(list(curves))}{noisy_words(verdict)}"
    return f"leads by {lead_text(verdict)} points, {unclear}"


def noisy_words(verdict: Verdict) -> str:
    names = list(dict.fromkeys(row.curve for row in verdict.noisy))
    return f"; {name_some(names)} var{'ies' if len(names) == 1 else 'y'} too much to say" if names else ""


def name_some(names: Sequence[str]) -> str:
    kept = list(names) if len(names) <= NAMED + 1 else [*names[:NAMED], f"{len(names) - NAMED} more"]
    return join_words(kept)


def lead_text(verdict: Verdict) -> str:
    """Over the best of those that it leaves behind."""
    places = [verdict.judged.index(verdict.leader)]
    skipped = {id(row) for row in (verdict.leader, *verdict.noisy)}
    places += [place for place, row in enumerate(verdict.judged) if id(row) not in skipped][:1]
    return cells.format_estimate(verdict.lead(*places), "lead") if len(places) > 1 else cells.MISSING


def accuracy_of_leader(verdict: Verdict) -> str:
    return percent(verdict.accuracy(verdict.leader).mean)


def accuracy_text(row: Configuration) -> str:
    return cells.format_estimate(row.accuracy, "share") + " %"


def dense_text(row: Configuration) -> str:
    return percent(sum(run.record.dense.accuracy for run in row.runs) / len(row.runs))


def seeds_of(verdicts: Sequence[Verdict]) -> str:
    counts = {verdict.n for verdict in verdicts}
    return (f"{min(counts)} to " if len(counts) > 1 else "") + seeds_text(max(counts))


def base_words(verdicts: Sequence[Verdict]) -> str:
    return "; all runs are fine-tunings of one dense network" if all(each.one_base for each in verdicts) else ""


def seeds_text(n: int) -> str:
    return f"{n}\u00a0seed{'s' * (n != 1)}"


def repair_sentence(rows: Sequence[Configuration]) -> str:
    """What repair brings before fine-tuning."""
    records = [run.record for row in rows if not row.scratch for run in row.runs]
    mended = [(record.pruned.accuracy, record.repaired.accuracy) for record in records if record.repaired is not None]
    if not mended:
        return "Nothing was repaired before fine-tuning (repair=none), so the page says nothing of repair."
    before, after = (fmean(values) for values in zip(*mended, strict=True))
    names = dict.fromkeys(repair.name for record in records for repair in record.repairs or ())
    brings = f"{100 * (after - before):+.1f}".replace("-", cells.MINUS)
    return (
        f"Repair ({join_words([*names])}) brings {brings} points before fine-tuning: {percent(before, 1)} "
        f"as pruned, {percent(after, 1)} repaired, the mean over {len(mended)} runs."
    )

"""The claim of a section: one sentence of at most two lines, and a line for each cut. Plain values only."""

from collections import Counter
from collections.abc import Sequence

from experiments.report.analyse.configurations import Configuration
from experiments.report.analyse.significance import FEWEST
from experiments.report.analyse.verdict import Verdict
from experiments.report.load.text import join_words
from experiments.report.render import cells
from experiments.system.format import percent

View = dict[str, object]
Part = tuple[str, bool]  # words, and whether they stand out
NAMED = 3  # methods named in a sentence; of more the first ones, and how many are left
COUNTS = {1: "one seed", 2: "two seeds"}


def headline(verdicts: Sequence[Verdict], rows: Sequence[Configuration]) -> list[Part]:
    """Who is ahead, who is not told apart from it, and on how many seeds."""
    if not verdicts:
        return alone(rows)
    return one_cut(verdicts[0]) if len(verdicts) == 1 else many_cuts(verdicts)


def alone(rows: Sequence[Configuration]) -> list[Part]:
    if len({row.curve for row in rows}) > 1:
        return [("No two methods were both treated and cut alike, so none is named the winner.", False)]
    best = max(rows, key=lambda row: row.accuracy.mean)
    reached = f" alone: {accuracy_text(best)} at {percent(best.macs_cut, 0)} of MACs removed, dense {dense_text(best)}"
    return [(best.curve, True), (f"{reached} ({seeds_text(best.accuracy.n)}); nothing to compare it with.", False)]


def one_cut(verdict: Verdict) -> list[Part]:
    where = f"{percent(verdict.rate, 0)} of MACs removed"
    kind, leader = outcome(verdict), (verdict.leader.curve, True)
    if kind == "apart":
        names = sorted({row.curve for row in (*verdict.judged, *verdict.beside)})
        gap = f"lie up to {100 * verdict.gap:.1f} points apart: shown beside each other, none is named ahead."
        return [(f"At {where} the cuts of {name_some(names)} {gap}", False)]
    if kind == "strangers":
        return [(f"At {where} no two methods share a seed, so none is named ahead.", False)]
    reached = accuracy_of_leader(verdict)
    seeds = seeds_of([verdict])
    if kind == "wins":
        ahead = f" wins at {where}: {reached}, {lead_text(verdict)} points ahead of the next{noisy_words(verdict)}"
        return [leader, (f"{ahead} ({seeds}).", False)]
    return [
        (f"At {where} ", False),
        leader,
        (f" has the best mean, {reached}; {not_apart_words(verdict)} ({seeds}).", False),
    ]


def many_cuts(verdicts: Sequence[Verdict]) -> list[Part]:
    wins = Counter(verdict.leader.curve for verdict in verdicts if outcome(verdict) == "wins")
    seeds = f" ({seeds_of(verdicts)})."
    if not wins:
        best = Counter(verdict.leader.curve for verdict in verdicts if verdict.n)
        often = name_some([f"{name} at {count}" for name, count in best.most_common()])
        trend = "; fewer than three seeds are no result" if all(verdict.n < FEWEST for verdict in verdicts) else ""
        return [(f"No method is clearly ahead at any of {len(verdicts)} cuts{trend}; best mean: {often}{seeds}", False)]
    parts: list[Part] = []
    for number, (curve, count) in enumerate(wins.most_common(NAMED)):
        of = f" of {len(verdicts)} cuts" if number == 0 else ""
        parts += [(", " if number else "", False), (curve, True), (f" wins at {count}{of}", False)]
    others = len(verdicts) - sum(wins.values())
    more = f"; {len(wins) - NAMED} more methods at some" if len(wins) > NAMED else ""
    left = f"; at the other {others} nobody is clearly ahead" if others else ""
    return [*parts, (more + left + seeds, False)]


def cut_view(verdict: Verdict) -> View:
    """One line of the small table: cut x winner."""
    kind = outcome(verdict)
    judged = kind in ("wins", "even", "trend")
    return {
        "rate": percent(verdict.rate, 0),
        "share": verdict.rate,
        "kind": kind,
        "best": verdict.leader.curve if judged else "",
        "accuracy": accuracy_of_leader(verdict) if judged else cells.MISSING,
        "says": {
            "wins": f"wins, {lead_text(verdict)} points ahead of the next{noisy_words(verdict)}",
            "apart": "cuts too far apart to judge",
            "strangers": "no seed in common",
        }.get(kind, not_apart_words(verdict)),
        "n": verdict.n,
    }


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
    verb = "is" if len(curves) == 1 else "are"
    return f"{name_some(list(curves))} {verb} not told apart from it{noisy_words(verdict)}"


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
    said = f"n\u00a0=\u00a0{min(counts)}" + (f" to {max(counts)}" if len(counts) > 1 else "")
    return said + (", over fine-tunings of one network" if all(verdict.one_base for verdict in verdicts) else "")


def seeds_text(n: int) -> str:
    return f"n\u00a0=\u00a0{n}"


def repair_sentence(rows: Sequence[Configuration]) -> str:
    """What repair brings, straight after the method: nothing where nothing was repaired."""
    said = [
        (run.record.pruned.accuracy, run.record.repaired.accuracy)
        for row in rows
        if not row.scratch
        for run in row.runs
        if run.record.repaired is not None
    ]
    if not said:
        return ""
    before, after = (sum(values) / len(said) for values in zip(*said, strict=True))
    names = dict.fromkeys(repair.name for row in rows for run in row.runs for repair in run.record.repairs or ())
    brings = f"{100 * (after - before):+.1f}".replace("-", cells.MINUS)
    return (
        f"Repair ({join_words([*names])}) brings {brings} points straight after the method: {percent(before, 1)} "
        f"before it, {percent(after, 1)} after it, the mean over n\u00a0=\u00a0{len(said)} runs."
    )

"""How fair a comparison is: the levels of Wang et al. 2023, computed from the records. Pure.

S1    same data, same network, same rate (MACs removed; parameters where both budgets are in parameters)
S2    + same dense network, for every seed that both have
S3.1  + same epochs of fine-tuning            S3.2  + same schedule, batch, precision and loss of fine-tuning
S4.1  + same epochs of pruning                S4.2  + same schedule of pruning
`FAIR` is what this project ranks by unless asked otherwise: S2 and the same epochs in total after the dense network,
since a method that learns its choice spends there what a one-shot method spends on fine-tuning.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TypeVar

from experiments.records.record import Record
from experiments.report.analyse.baselines import Baseline, baseline
from experiments.report.load.recorded_config import Values, read_config

LEVELS = ("S1", "S2", "S3.1", "S3.2", "S4.1", "S4.2")
FAIR = "fair"
TOGETHER = "together"
RULES = (FAIR, *LEVELS[1:], TOGETHER)
SAME_RATE = 0.005  # rates that differ by no more are one cut: two points are worth more than the leads that are claimed
MEASURES = {"params": "got_params"}  # of a budget; any other is compared in MACs
SHARES = ("macs", "params")  # budgets that ask for a share of what they are compared in
NONE = "none"
SCHEDULES = ("S3.2", "S4.2")
NOT_DATA = ("root", "workers", "cache", "seed", "download", "batch", "verify")
Row = TypeVar("Row")
Treatment = tuple[int, frozenset[tuple[tuple[str, str], str]]]
Trait = tuple[str, str]  # the level that is missed where it differs, and its name


@dataclass(frozen=True)
class Protocol:
    """What a setting's runs were given."""

    budget: str
    rates: dict[str, float]  # share removed, by measure
    step: float  # by how much it missed what it was asked for: all that a record tells of a method's own steps
    epochs: int  # after the dense network
    bases: dict[int, Baseline]  # the dense network of each seed
    traits: dict[Trait, str]


@dataclass(frozen=True)
class Difference:
    level: str
    what: str
    ours: str
    theirs: str


def build_protocol(records: Sequence[Record]) -> Protocol:
    """Of records that differ by their seeds alone."""
    first, bases = records[0], {record.seed: baseline(record) for record in records}
    return Protocol(
        budget=first.budget.of,
        rates={of: fmean(getattr(r.budget, of) for r in records) for of in ("got_macs", "got_params")},
        step=max(budget_error(record) for record in records),
        epochs=epochs(first, "finetune") + epochs(first, "prune"),
        bases=bases,
        traits=list_traits(first) | {baseline_trait(seed): str(base) for seed, base in bases.items()},
    )


def budget_error(record: Record) -> float:
    budget = record.budget
    return abs(getattr(budget, f"got_{budget.of}") - budget.asked) if budget.of in SHARES else 0.0


def list_traits(record: Record) -> dict[Trait, str]:
    config = read_config(record.config)
    recipe = config["recipe"]
    fine_tuning, pruning = recipe.get("finetune", {}), recipe.get("prune", {})
    pruned, tuned = epochs(record, "prune"), epochs(record, "finetune")
    data = {key: value for key, value in config["data"].items() if key not in NOT_DATA}
    training = {"batch": recipe.get("batch"), "precision": record.precision} | schedule(fine_tuning)
    loss = {"objective": record.objective} | {
        key: value for key, value in config["objective"].items() if key != "_target_"
    }
    return (
        group_traits("S1", "data", data | {"name": record.data})
        | group_traits("S1", "network", config["model"] | {"MACs": record.dense.macs})
        | {("S3.1", "fine-tuning epochs"): str(tuned), ("S4.1", "pruning epochs"): str(pruned)}
        | group_traits("S3.2", "fine-tuning", (training | loss) if tuned else {})
        | group_traits("S4.2", "pruning", schedule(pruning) if pruned else {})
    )


def group_traits(level: str, group: str, values: Mapping[str, object]) -> dict[Trait, str]:
    return {(level, f"{group} {key}"): str(value) for key, value in values.items()}


def epochs(record: Record, stage: str) -> int:
    """As trained: recipes are scaled, and one-shot methods are granted epochs."""
    return sum(trained.epochs for trained in record.stages if trained.kind == stage)


def schedule(stage: Values) -> Values:
    return {key: value for key, value in stage.items() if key != "epochs"}


def differences(ours: Protocol, theirs: Protocol) -> list[Difference]:
    """Everything that misses a level, lowest level first; the rate apart, which `same_rate` judges."""
    keys = {key for key in ours.traits.keys() | theirs.traits.keys() if key[0] != "S2"}
    values = [(key, ours.traits.get(key, NONE), theirs.traits.get(key, NONE)) for key in keys]
    missed = [Difference(*key, our, their) for key, our, their in values if our != their]
    return sorted(baseline_differences(ours, theirs) + missed, key=lambda miss: (LEVELS.index(miss.level), miss.what))


def baseline_differences(ours: Protocol, theirs: Protocol) -> list[Difference]:
    """Dense networks of a seed that both have; without a common seed, that."""
    common = sorted(ours.bases.keys() & theirs.bases.keys())
    if not common:
        return [Difference("S2", "seeds", join_seeds(ours.bases), join_seeds(theirs.bases))]
    unlike = [baseline_trait(seed) for seed in common if not ours.bases[seed].same(theirs.bases[seed])]
    return [Difference(*key, ours.traits[key], theirs.traits[key]) for key in unlike]


def baseline_trait(seed: int) -> Trait:
    return "S2", f"dense network of seed {seed}"


def join_seeds(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(seeds)))


def trait_values(protocols: dict[Row, Protocol]) -> dict[Trait, dict[str, list[Row]]]:
    """All that differs within a group: each trait's values, and whose they are. Lowest level first.

    A schedule that some have and others do not is no more than their epochs already say.
    """
    pairs = [(a, b) for i, a in enumerate(protocols) for b in list(protocols)[:i]]
    keys = {(missed.level, missed.what) for a, b in pairs for missed in differences(protocols[a], protocols[b])}
    by_trait: dict[Trait, dict[str, list[Row]]] = {}
    for key in sorted(keys, key=lambda trait: (LEVELS.index(trait[0]), trait[1])):
        values = by_trait.setdefault(key, {})
        for row, protocol in protocols.items():
            values.setdefault(protocol.traits.get(key, NONE), []).append(row)
    return {key: rows for key, rows in by_trait.items() if len(rows.keys() - {NONE}) > 1 or key[0] not in SCHEDULES}


def same_rate(ours: Protocol, theirs: Protocol) -> bool:
    """One cut: the two may be judged."""
    return rate_distance(ours, theirs) <= SAME_RATE + 1e-9


def near_rate(ours: Protocol, theirs: Protocol) -> bool:
    """As near as the larger of their own steps allows: shown beside each other, judged only where it is one cut."""
    return rate_distance(ours, theirs) <= max(SAME_RATE, ours.step, theirs.step) + 1e-9


def rate_distance(ours: Protocol, theirs: Protocol) -> float:
    both = {ours.budget, theirs.budget}
    measure = MEASURES.get(both.pop(), "got_macs") if len(both) == 1 else "got_macs"
    return abs(ours.rates[measure] - theirs.rates[measure])


def fairness_level(ours: Protocol, theirs: Protocol) -> str | None:
    """The highest level that holds at one rate; None below S1."""
    missing = [LEVELS.index(difference.level) for difference in differences(ours, theirs)]
    lowest = min(missing, default=len(LEVELS))
    return LEVELS[lowest - 1] if lowest else None


def may_be_ranked(ours: Protocol, theirs: Protocol, rule: str) -> bool:
    """Whether two settings, whatever their rates, may be ranked together under a rule."""
    reached = fairness_level(ours, theirs)
    if reached is None or rule == TOGETHER:
        return rule == TOGETHER
    required = LEVELS[1] if rule == FAIR else rule
    enough = LEVELS.index(reached) >= LEVELS.index(required)
    return enough and (rule != FAIR or ours.epochs == theirs.epochs)


def comparable_groups(rows: dict[Row, Protocol], rule: str) -> list[list[Row]]:
    """Groups in which every two agree, the largest first. Rows treated alike go together; those of most seeds first."""
    by_treatment: dict[Treatment, list[Row]] = {}
    for row in sorted(rows, key=lambda row: -len(rows[row].bases)):
        by_treatment.setdefault(treatment_key(rows[row]), []).append(row)
    groups: list[list[list[Row]]] = []
    for same in by_treatment.values():
        for group in groups:
            if all(may_be_ranked(rows[same[0]], rows[other[0]], rule) for other in group):
                group.append(same)
                break
        else:
            groups.append([same])
    return sorted(([row for same in group for row in same] for group in groups), key=len, reverse=True)


def treatment_key(protocol: Protocol) -> Treatment:
    return protocol.epochs, frozenset(protocol.traits.items())


def unique_treatments(protocols: Iterable[Protocol]) -> list[Protocol]:
    """One of each treatment: what two of them agree on, all do."""
    return list({treatment_key(protocol): protocol for protocol in protocols}.values())

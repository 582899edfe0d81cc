"""rounds=n: what came out of a round is pruned again, until the last one meets the budget of the original network.

Every round's choice is told in full-size coordinates, and every small network is made of a full-size one: so the
record, the network's folder and the certificate are those of one cut.
"""

from __future__ import annotations

import copy
import glob

from torch import nn

from experiments.run.context import PlanContext
from experiments.trainer.recipes import round_name
from pruning.budget.rounds import PartOfTheWay
from pruning.graph.graph import trace
from pruning.methods.base import PruningMethod
from pruning.methods.filters import FilterMethod
from pruning.selection import Selection
from pruning.surgery.expand import FullSize


def refuse_rounds(context: PlanContext) -> None:
    """Raises ValueError for what cannot be pruned again and again to one cut."""
    rounds, method = context.settings.rounds, context.method
    if rounds == 1:
        return
    if not isinstance(method, FilterMethod):
        remedy = "method.levels=3 is its own ladder" if hasattr(method, "levels") else "take one that does, such as l1"
        raise ValueError(
            f"rounds={rounds} prunes again what came out, and method={context.settings.choice.method} does not remove "
            f"filters by a score and a budget: {remedy}, or rounds=1"
        )
    if method.joined == "couple":
        raise ValueError(
            f"rounds={rounds} cannot follow the streams that method.joined=couple makes narrower: take "
            "method.joined=keep or expand, or rounds=1"
        )
    if computed := sorted(trace(context.network, context.image_shape).trace.normal.computed):
        raise ValueError(
            f"rounds={rounds} puts weights back into the full-size network, and that of {computed[0]!r} is computed in "
            "forward: take rounds=1"
        )


def plan_rounds(context: PlanContext) -> list[tuple[str, str]]:
    """The stages of each round: in which the method learns, and fine-tuning."""
    rounds = context.settings.rounds
    return [(round_name("prune", k, rounds), round_name("finetune", k, rounds)) for k in range(1, rounds + 1)]


def method_of_round(
    method: PruningMethod, left: int, before: PruningMethod | None, full_size: FullSize | None
) -> PruningMethod:
    """The method itself where one round does it all; else one of its own, whose budget goes a part of the way.

    `left`: rounds from this one on; `before`: the method of the round before, whose sites are this one's;
    `full_size`: what the round begins with, None where that is the original network.
    """
    if left == 1 and before is None:
        return method
    assert isinstance(method, FilterMethod)  # `refuse_rounds` has asked
    again, whole = copy.copy(method), None
    if isinstance(before, FilterMethod) and full_size is not None:
        assert isinstance(before.budget, PartOfTheWay)
        again.only, whole = [glob.escape(layer) for layer in before.layers], before.budget.whole
        again.cost_of = full_size.cost
    again.budget = PartOfTheWay(method.budget, left, whole)
    return again


def to_full_size(full_size: FullSize | None, learned: nn.Module, own: Selection) -> tuple[nn.Module, Selection]:
    """The network at the end of its learning, and its choice, in the shape of the original; as they are where it is."""
    return (learned, own) if full_size is None else (full_size.expand(learned), full_size.lift(own))

"""Torch-Pruning's groups and scores (Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from pruning.arguments import key
from pruning.budget.targets import Budget
from pruning.graph.inputs import Shapes
from pruning.graph.units import Unit
from pruning.methods.filters import FilterMethod, Scores
from pruning.methods.torch_pruning.peer import Peer, Ties, load_library

CHOICES: dict[str, tuple[str | None, ...]] = {
    "group_reduction": ("mean", "sum", "max", "prod", "first"),
    "normalizer": ("mean", "sum", "max", "standarization", "gaussian", "lamp", None),  # as the library spells them
}


@final
class TorchPruning(FilterMethod):
    """Keeps the filters to which that library's `GroupMagnitudeImportance` gives the largest scores; one shot.

    Needs the extra `torch-pruning`. What it ties together otherwise than this library does is refused.

    Args:
        budget, only, linear: as in FilterMethod.
        joined: "keep" or "couple", as in FilterMethod.
        p, group_reduction, normalizer: of `GroupMagnitudeImportance`; the library's defaults. p=1,
            group_reduction="first", normalizer=None is the L1 of Li et al. 2017.
    """

    comparable = True  # under its global_pruning the library ranks these scores over all groups

    def __init__(
        self,
        budget: Budget,
        p: int = 2,
        group_reduction: str = "mean",
        normalizer: str | None = "mean",
        joined: str = "keep",
        only: Sequence[str] | None = None,
        linear: bool = False,
    ) -> None:
        if joined == "expand":
            raise ValueError(
                f"Torch-Pruning cuts as one what is added: {key('joined')} must be keep or couple, got expand"
            )
        if p < 1:
            raise ValueError(f"{key('p')} must be 1 or more, got {p}")
        for name, value in (("group_reduction", group_reduction), ("normalizer", normalizer)):
            if value not in CHOICES[name]:
                raise ValueError(f"{key(name)} must be one of {', '.join(map(str, CHOICES[name]))}, got {value!r}")
        super().__init__(budget, joined, only, grouped="keep", linear=linear)
        self.importance = load_library().importance.GroupMagnitudeImportance(p, group_reduction, normalizer)

    def survey(self, network: nn.Module, image_shape: Shapes) -> None:
        super().survey(network, image_shape)
        self.image_shape = image_shape

    def scores(self, network: nn.Module) -> Scores:
        peer = Peer(network, self.image_shape)
        return {name: self.unit_scores(peer, unit) for name, unit in self.groups.units.items()}

    def unit_scores(self, peer: Peer, unit: Unit) -> Float[Tensor, " classes"]:
        root = unit.members[0]
        group = peer.score(root, self.importance)
        refuse_other_ties(unit, root, group.ties)
        return unit.sum_members({root: group.scores}, root)


def refuse_other_ties(unit: Unit, root: str, ties: Ties) -> None:
    """Raises ValueError where the library would cut other filters with the root's than those of this unit."""
    inside = set((unit.classes[root] >= 0).nonzero().flatten().tolist())
    theirs = {name: {f: r for f, r in filters.items() if r in inside} for name, filters in ties.items()}
    theirs = {name: filters for name, filters in theirs.items() if filters}
    wrong = sorted(theirs.keys() ^ set(unit.members))
    wrong += [name for name in unit.members if name in theirs and not is_tied_alike(unit, root, name, theirs[name])]
    if wrong:
        raise ValueError(
            f"Torch-Pruning ties other filters to those of {root!r} than this network does (as in CIFAR's ResNets with "
            f"option-A shortcuts), of {len(wrong)} layers such as {wrong[0]!r}: leave them out by {key('exclude')}=, "
            f"take {key('joined')}=keep, or group_l2, a score of its kind on groups of ours"
        )


def is_tied_alike(unit: Unit, root: str, member: str, filters: dict[int, int]) -> bool:
    """Are these filters of a member of the same classes as those of the root that they go with?"""
    ours = unit.classes[member][list(filters)]
    return torch.equal(ours, unit.classes[root][list(filters.values())])

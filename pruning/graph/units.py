"""Units: classes of channels that stand in the same convolutions, chosen among each other and counted by a budget."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Unit:
    """Classes of channels that go or stay as one, all in the same convolutions.

    `classes`: by member, the class of each of its filters; -1 for a filter that is none of this unit. `blocks`: the
    classes by the groups of grouped convolutions, of which each loses the same number; one block where there are none.
    `leader`: the member whose ranking the others follow; None: all rank.
    """

    classes: Mapping[str, Int[Tensor, " filters"]]
    blocks: Int[Tensor, "blocks width"]
    leader: str | None = None

    @property
    def members(self) -> tuple[str, ...]:
        return tuple(self.classes)

    @property
    def width(self) -> int:
        """How many classes each block has: what a budget counts."""
        return self.blocks.shape[1]

    @cached_property
    def is_part(self) -> bool:
        """Has every member other filters too, so that none is emptied with this unit?"""
        return all(bool((classes < 0).any()) for classes in self.classes.values())

    def sum_members(
        self, figures: Mapping[str, Float[Tensor, " filters"]], leader: str | None = None
    ) -> Float[Tensor, " classes"]:
        """A figure for every class from one for every filter of its members, or of the `leader` alone."""
        names = self.members if leader is None else (leader,)
        return torch.stack([self._sum_filters(name, figures[name]) for name in names]).sum(0)

    def _sum_filters(self, member: str, figures: Float[Tensor, " filters"]) -> Float[Tensor, " classes"]:
        inside = self.classes[member] >= 0
        figures = figures.detach().float().cpu()[inside]
        return torch.zeros(self.blocks.numel()).index_add(0, self.classes[member][inside], figures)

    def rank(self, scores: Float[Tensor, " classes"]) -> Float[Tensor, " width"]:
        """The mean over blocks of the largest of each, of the second of each, and so on; one block stays as it is."""
        if len(self.blocks) == 1:
            return scores
        return scores.cpu()[self.blocks].sort(dim=1, descending=True).values.mean(0)

    def largest(self, scores: Float[Tensor, " classes"], count: int) -> Bool[Tensor, " classes"]:
        """The `count` largest scores of each block; of equal ones the first."""
        order = scores.cpu()[self.blocks].sort(dim=1, descending=True, stable=True).indices
        mask = torch.zeros(self.blocks.numel(), dtype=torch.bool)
        mask[self.blocks.gather(1, order[:, :count])] = True
        return mask

    def filters_kept(self, member: str, kept: Bool[Tensor, " classes"]) -> Bool[Tensor, " filters"]:
        """Which filters of a member stay when of this unit's classes these do."""
        return torch.cat([kept, kept.new_ones(1)])[self.classes[member]]


def name_units(units: list[Unit]) -> dict[str, Unit]:
    """By the first member's name; where several have the same first one, by the first member that names none yet.

    Units with few members are named before those with many. What finds all its members taken is numbered.
    """
    names: dict[str, int] = {}
    for place in sorted(range(len(units)), key=lambda place: len(units[place].classes)):
        members = units[place].members
        numbered = (f"{members[0]}#{number}" for number in range(2, len(units) + 2))
        names[next(name for name in itertools.chain(members, numbered) if name not in names)] = place
    return {name: units[place] for name, place in sorted(names.items(), key=lambda item: item[1])}

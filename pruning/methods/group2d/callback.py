"""Group-wise 2D-filter pruning (after Yu, Qiu, Hu, Li, IJCNN 2017; a reconstruction: see card.md)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from pruning.arguments import key
from pruning.budget.allocations import WITHOUT_SCORES
from pruning.budget.problem import BudgetProblem, Counts
from pruning.budget.targets import Budget
from pruning.draws import random_scores
from pruning.graph.cost import predict
from pruning.graph.graph import Graph, trace
from pruning.graph.inputs import Shapes
from pruning.graph.liveness import analyse
from pruning.methods.base import PruningMethod
from pruning.methods.group2d.assignment import (
    Groups,
    assign_groups,
    best_patterns,
    contiguous_groups,
    groups_by_lot,
    kept_score_share,
    kernel_mask,
    normalise_per_filter,
)
from pruning.methods.group2d.eligible import count_groups, eligible_sites, exclusion_reasons
from pruning.methods.group2d.gate import attach_gates, gate_on, remove_gates, ungated_weight
from pruning.methods.group2d.lasso import START, shrink
from pruning.methods.group2d.scores import SCORES, WITHOUT_DATA, block_norms, kernel_scores
from pruning.selection import Selection
from pruning.surgery.forms import FORMS

CHOICES = {
    "score": SCORES,
    "learn": ("score", "lasso"),
    "kernels": ("kxk", "all"),
    "form": FORMS,
    "assignment": ("learned", "random"),
    "tune": ("masked", "small"),
}


@final
class Group2D(PruningMethod):
    """Every group of filters keeps the same input channels, the same number in each group; no filter is removed.

    Args:
        budget: the share of 2D kernels removed per layer, or of MACs or parameters counted after liveness.
        groups: groups of equal size in each layer, 1 or more.
        score: what a kernel is worth: "taylor", "activation" (both from the training steps), "l1"; or "random", a lot,
            the control of all of them.
        learn: "score" keeps the channels with the largest scores; "lasso" trains whole blocks to zero.
        levels: of the ladder: 1 decides once; 3 goes 2x, 3x, 4x towards a quarter, with training between.
        kernels: "kxk", all but 1x1; or "all".
        adapt: where `groups` does not divide a layer's filters take the nearest divisor instead of refusing.
        form: "split", "grouped" or "auto": the small form that is timed and exported, never what is stored.
        only: shell-style patterns of the convolutions to prune, after "!" of those to leave whole; None takes all
            that fit.
        assignment: "learned", filters of one group are those that want the same channels; or "random", by lot, the
            control of it: the patterns are still those of the scores.
        seed: of the lots.
        tune: "masked", a run fine-tunes the full-size network under the mask and cuts it at the end, in
            the time of the dense one; or "small", in the split form: the same steps but for rounding.
    """

    budget: Budget
    graph: Graph  # known once attached

    def __init__(
        self,
        budget: Budget,
        groups: int = 4,
        score: str = "taylor",
        learn: str = "score",
        levels: int = 1,
        kernels: str = "kxk",
        adapt: bool = False,
        form: str = "split",
        only: Sequence[str] | None = None,
        assignment: str = "learned",
        seed: int = 0,
        tune: str = "masked",
    ) -> None:
        choices = {
            "score": score,
            "learn": learn,
            "kernels": kernels,
            "form": form,
            "assignment": assignment,
            "tune": tune,
        }
        _check_arguments(groups, levels, **choices)
        self.tunes_masked = tune == "masked"
        self.assignment, self.seed = assignment, seed
        self.budget, self.groups_wanted, self.score, self.learn = budget, groups, score, learn
        self.levels, self.kernels, self.adapt, self.form, self.only = levels, kernels, adapt, form, only
        self.gated = levels > 1 or learn == "lasso"
        self.needs_training = self.gated or score not in WITHOUT_DATA
        self.observes = self.needs_training and not self.gated
        if self.gated:
            self.allocates = WITHOUT_SCORES
        self.refuse_allocation(budget)

    # -- the verbs -----------------------------------------------------------------------------------------------------

    def attach(self, network: nn.Module, image_shape: Shapes, steps: int) -> None:
        if self.needs_training and steps < self.levels:
            raise ValueError(
                f"{key('score')}={self.score} learn={self.learn} levels={self.levels} learns from training steps, and "
                f"its stage has {steps}; raise {key('steps')}, or take score=l1 learn=score levels=1"
            )
        self.graph, self.stage_steps = trace(network, image_shape), max(steps, 1)
        eligible = eligible_sites(self.graph, self.kernels, self.only)
        self.groups_of = {site.name: count_groups(site, self.groups_wanted, self.adapt) for site in eligible}
        self.refuse_frozen(network)
        attach_gates(network, self.groups_of, watch=self.score == "activation")
        self.keep = {name: max(1, self.columns(name) // 2) for name in self.groups_of}  # until the budget has spoken
        try:
            self.keep = self.counts(network)
        except ValueError:
            self.detach(network)
            raise

    def refuse_frozen(self, network: nn.Module) -> None:
        """A weight without a gradient gives no evidence: all its kernels would be worth the same."""
        if self.score != "taylor" and self.learn != "lasso":
            return
        for name in self.groups_of:
            if not network.get_submodule(name).get_parameter("weight").requires_grad:
                raise ValueError(
                    f"{key('score')}={self.score} learn={self.learn} learns from the gradients of weights, and "
                    f"{name!r} is frozen (requires_grad=False): thaw it, leave it out by {key('exclude')}=, or take "
                    f"{key('score')}=activation"
                )

    def steer(self, network: nn.Module) -> None:
        for name in self.groups_of:
            gate_on(network, name).accumulate_evidence(ungated_weight(network, name))

    def settle(self, network: nn.Module) -> None:
        progress = gate_on(network, next(iter(self.groups_of))).total_steps / self.stage_steps
        if self.learn == "lasso":
            self.shrink(network, progress)
        elif progress < 1:
            self.next_level(network, int(progress * self.levels))

    def select(self, network: nn.Module) -> Selection:
        return self.choose(network, self.counts(network))

    def detach(self, network: nn.Module) -> None:
        remove_gates(network, list(self.groups_of))

    def report(self, network: nn.Module) -> dict[str, float]:
        """Share of the score on the kernels kept: by these groups, by contiguous ones, by groups drawn by lot."""
        shares = {"kept_score": 0.0, "kept_score_contiguous": 0.0, "kept_score_random": 0.0}
        for name, count in self.groups_of.items():
            scores = normalise_per_filter(self.scores(network, name))
            plain = contiguous_groups(len(scores), count)
            shuffled = plain[torch.randperm(len(plain), generator=torch.Generator().manual_seed(0))]
            for kind, groups in zip(shares, (self.groups_at(network, name), plain, shuffled), strict=True):
                share = kept_score_share(scores, groups, best_patterns(scores, groups, count, self.keep[name]))
                shares[kind] += share / len(self.groups_of)
        return shares

    # -- learning ------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def next_level(self, network: nn.Module, level: int) -> None:
        """Tighten the masks when a level of the ladder is reached: 1/2, 1/3, 1/4 of the channels towards a quarter."""
        for name in self.groups_of:
            gate = gate_on(network, name)
            if level > gate.level:
                columns = self.columns(name)
                factor = 1 + (columns / self.keep[name] - 1) * level / self.levels
                kernels = self.kernels_of(network, name, math.ceil(columns / factor))
                gate.tighten(self.groups_at(network, name), kernels, level)

    @torch.no_grad()
    def shrink(self, network: nn.Module, progress: float) -> None:
        """The proximal step of the group lasso, once the groups are known."""
        for name in self.groups_of:
            gate = gate_on(network, name)
            if progress >= START:
                if not gate.has_groups:
                    gate.learn(self.groups_at(network, name))
                shrink(ungated_weight(network, name), gate, self.keep[name], progress)

    # -- choosing ------------------------------------------------------------------------------------------------------

    def choose(self, network: nn.Module, counts: Mapping[str, int]) -> Selection:
        """The selection in which every group of layer `name` keeps `counts[name]` channels."""
        kernels = {name: self.kernels_of(network, name, counts[name]) for name in self.groups_of}
        return Selection({**Selection.full(self.graph.trace.module), **kernels})

    def kernels_of(self, network: nn.Module, name: str, keep: int) -> Bool[Tensor, "out in"]:
        scores, groups = self.scores(network, name), self.groups_at(network, name)
        return kernel_mask(scores, groups, self.groups_of[name], keep)

    def scores(self, network: nn.Module, name: str) -> Float[Tensor, "out in"]:
        """What every kernel is worth now; those under a mask nothing, those of a lasso the norm of their block."""
        gate, weight = gate_on(network, name), ungated_weight(network, name)
        if self.learn == "lasso" and gate.has_groups:
            return block_norms(weight, gate.group, self.groups_of[name])[gate.group].float().cpu()
        if self.score == "random":
            worth = random_scores(self.seed, name, weight.shape[:2].numel()).view(weight.shape[:2])
        else:
            worth = kernel_scores(self.score, weight, gate)
        return worth * gate.mask[:, :, 0, 0].float().cpu()

    def groups_at(self, network: nn.Module, name: str) -> Groups:
        gate = gate_on(network, name)
        if gate.has_groups:
            return gate.group.cpu()
        scores, count = self.scores(network, name), self.groups_of[name]
        if self.assignment == "random":
            return groups_by_lot(self.seed, name, len(scores), count)
        return assign_groups(scores, count, self.keep[name])

    def counts(self, network: nn.Module) -> Counts:
        """What the budget leaves each group of each layer, by the choice that the network's state makes now."""
        scores = {name: self.scores(network, name) for name in self.groups_of}

        @cache
        def groups() -> dict[str, Groups]:
            """Seconds on a large network, and not every budget asks what its counts cost."""
            return {name: self.groups_at(network, name) for name in self.groups_of}

        def choose(counts: Mapping[str, int]) -> Selection:
            return Selection({n: kernel_mask(s, groups()[n], self.groups_of[n], counts[n]) for n, s in scores.items()})

        return self.budget.counts(
            BudgetProblem(
                self.widths(),
                lambda counts: predict(analyse(self.graph, choose(counts))),
                scores={name: layer_scores.mean(0) for name, layer_scores in scores.items()},
                weight_norms=lambda norm: {name: self.channel_norms(network, name, norm) for name in self.groups_of},
                shapes={name: [tuple(ungated_weight(network, name).shape)] for name in self.groups_of},
                graph=self.graph,
                choose=choose,
            )
        )

    def channel_norms(self, network: nn.Module, name: str, norm: str) -> Float[Tensor, " in"]:
        """Of the kernels that read each input channel: the mean of |W|, or the sum of W^2 ("squares")."""
        weight = ungated_weight(network, name).detach().float().cpu().transpose(0, 1).flatten(1)
        return weight.abs().mean(1) if norm == "mean" else weight.square().sum(1)

    # -- sites ---------------------------------------------------------------------------------------------------------

    def widths(self) -> dict[str, int]:
        return {name: self.columns(name) for name in self.groups_of}

    def exclusion_reasons(self) -> dict[str, str | None]:
        return exclusion_reasons(self.graph, self.kernels, self.groups_of.keys())

    def columns(self, name: str) -> int:
        return self.graph.convolutions()[name].layer.in_channels


def _check_arguments(groups: int, levels: int, **words: str) -> None:
    if groups < 1 or levels < 1:
        raise ValueError(f"{key('groups')} and {key('levels')} must be 1 or more, got {groups} and {levels}")
    for name, value in words.items():
        if value not in CHOICES[name]:
            raise ValueError(f"{key(name)} must be one of {', '.join(CHOICES[name])}, got {value!r}")
    if words["learn"] == "lasso" and levels > 1:
        raise ValueError(f"{key('learn')}=lasso has a schedule of its own: {key('levels')} must be 1, got {levels}")

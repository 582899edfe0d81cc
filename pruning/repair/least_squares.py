"""Ridge regression towards a start: the change of weights that brings what a layer makes nearest to what it should.

    W' = (E[Z X'^T] + eps W)(E[X' X'^T] + eps I)^-1  =  W + E[R X'^T](E[X' X'^T] + eps I)^-1,   R = Z - W X'

Written with the residual R it changes nothing at all, not by rounding either, where there is nothing to mend. No one
eps is safe: eps is tried on images that were held out.
"""

from __future__ import annotations

import copy

import torch
from jaxtyping import Float
from torch import Tensor

RIDGES = (1e-2, 1e-1, 1.0, 10.0)  # of the mean of E[X'^2] over the inputs; the last is close to no change

Patches = Float[Tensor, "groups samples in"]
Residuals = Float[Tensor, "groups samples out"]


class NormalEquations:
    """Sums over samples, group by group, and what they say; in the numbers' type, added up in float64.

    While there are fewer samples than inputs the samples themselves are kept, and the smaller system of the two equal
    ones is solved: a layer may have more inputs than there are images.

    Args:
        inputs: of a filter, without the constant of its bias.
        bias: whether a bias is sought too.
        samples: how many are to come.
    """

    def __init__(self, inputs: int, bias: bool, samples: int) -> None:
        self.inputs, self.bias = inputs, bias
        self.few = samples < inputs
        self.patches: list[Patches] = []
        self.residuals: list[Residuals] = []
        self.gram: Tensor = torch.zeros(())
        self.cross: Tensor = torch.zeros(())

    def add(self, patches: Patches, residuals: Residuals) -> None:
        if self.bias:
            patches = torch.cat([patches, patches.new_ones(*patches.shape[:2], 1)], 2)
        if self.few:
            self.patches.append(patches)
            self.residuals.append(residuals)
        else:
            self.gram = self.gram.to(patches.device) + (patches.mT @ patches).double()
            self.cross = self.cross.to(patches.device) + (residuals.mT @ patches).double()

    def __add__(self, other: NormalEquations) -> NormalEquations:
        """Of the samples of both."""
        both = copy.copy(self)
        both.patches, both.residuals = [*self.patches, *other.patches], [*self.residuals, *other.residuals]
        both.gram, both.cross = self.gram + other.gram, self.cross + other.cross
        return both

    def error(self, change: Float[Tensor, "groups out in"]) -> float:
        """By how much a change of the weights lowers (below 0) or raises the sum of squared residuals."""
        if not self.few:
            return float((change * (change @ self.gram - 2 * self.cross)).sum())
        patches, residuals = torch.cat(self.patches, 1).double(), torch.cat(self.residuals, 1).double()
        moved = patches @ change.mT
        return float((moved * (moved - 2 * residuals)).sum())

    def solve(self, ridge: float) -> Float[Tensor, "groups out in"]:
        """The change of the weights, and last of the bias if one is sought."""
        if not self.few:
            energy = self.gram.diagonal(dim1=1, dim2=2)[:, : self.inputs].mean(1)
            return _solve_ridge(self.gram, ridge * energy, self.cross.mT).mT
        patches, residuals = torch.cat(self.patches, 1).double(), torch.cat(self.residuals, 1).double()
        energy = patches[..., : self.inputs].square().sum(1).mean(1)
        return (patches.mT @ _solve_ridge(patches @ patches.mT, ridge * energy, residuals)).mT


def solve_tried(tried: NormalEquations, held_out: NormalEquations) -> Float[Tensor, "groups out in"]:
    """The change that all samples ask for, at the ridge that, found on those to be tried, leaves the least error of
    those held out; no change where none of them lowers it."""
    best, least = None, 0.0
    for ridge in RIDGES:
        error = held_out.error(tried.solve(ridge))
        if error >= least and best is not None:
            break
        if error < least:
            best, least = ridge, error
    change = (tried + held_out).solve(RIDGES[-1] if best is None else best)
    return torch.zeros_like(change) if best is None else change


def _solve_ridge(
    system: Float[Tensor, "g n n"], eps: Float[Tensor, " g"], right: Float[Tensor, "g n m"]
) -> Float[Tensor, "g n m"]:
    """Where all inputs are zero the smallest number stands for eps, and nothing changes."""
    diagonal = eps.clamp(min=torch.finfo(torch.float32).tiny)[:, None].expand(system.shape[:2])
    return torch.cholesky_solve(right, torch.linalg.cholesky(system + torch.diag_embed(diagonal)))

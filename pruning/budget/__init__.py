"""How much goes, and of which layers. Knows graphs and sites, no methods."""

from pruning.budget.allocations import (
    ALLOCATIONS,
    Allocation,
    ErdosRenyiKernel,
    Isomorphic,
    Lamp,
    MeanMagnitude,
    Own,
    RandomWidths,
    Rates,
    Uniform,
)
from pruning.budget.problem import BudgetProblem, Counts
from pruning.budget.removals import RemovalOrder, order_removals
from pruning.budget.targets import Budget, PerLayer, Share

__all__ = [
    "ALLOCATIONS",
    "Allocation",
    "Budget",
    "BudgetProblem",
    "Counts",
    "ErdosRenyiKernel",
    "Isomorphic",
    "Lamp",
    "MeanMagnitude",
    "Own",
    "PerLayer",
    "RandomWidths",
    "Rates",
    "RemovalOrder",
    "Share",
    "Uniform",
    "order_removals",
]

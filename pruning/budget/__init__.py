"""How much goes, and of which layers. Knows graphs and sites, no methods."""

from pruning.budget.targets import Budget, BudgetProblem, Counts, Global, PerLayer, Share

__all__ = ["Budget", "BudgetProblem", "Counts", "Global", "PerLayer", "Share"]

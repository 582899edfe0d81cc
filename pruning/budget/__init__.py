"""How much goes, and of which layers. Knows graphs and sites, no methods."""

from pruning.budget.targets import Budget, Counts, Demand, Global, PerLayer, Share, checked_ratio, keep, round_down

__all__ = ["Budget", "Counts", "Demand", "Global", "PerLayer", "Share", "checked_ratio", "keep", "round_down"]

"""How much goes, and of which layers. Knows graphs and sites, no methods."""

from pruning.budget.targets import (
    Budget,
    BudgetProblem,
    Counts,
    Global,
    PerLayer,
    Share,
    checked_ratio,
    kept_of,
    round_down,
)

__all__ = ["Budget", "BudgetProblem", "Counts", "Global", "PerLayer", "Share", "checked_ratio", "kept_of", "round_down"]

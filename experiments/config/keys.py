"""The keys of the command line for arguments of pruning, by which its messages name them here. Imports no torch."""

METHOD: tuple[str, ...] = ("joined", "grouped", "linear", "cross", "gate", "alpha", "rho", "mu", "rho_max", "lr")
METHOD += ("start", "groups", "score", "learn", "levels", "kernels", "adapt", "form", "criterion", "strength")
METHOD += ("p", "group_reduction", "normalizer", "variant")
BUDGET = ("table", "floor", "ceiling", "round_to", "of", "ms", "runtime", "batch", "threads")
KEYS = {
    **{name: f"method.{name}" for name in METHOD},
    **dict.fromkeys(("include", "exclude"), "method.only"),
    **{name: f"budget.{name}" for name in BUDGET},
    "rates": "allocation.rates",
    **dict.fromkeys(("macs", "params", "filters", "layer"), "ratio"),
    **{name: f"model.{name}" for name in ("name", "weights", "shortcut")},
    "repair": "repair.steps",
    "steps": "recipe.prune.epochs",
    "precision": "trainer.precision",
}

"""Methods by name. Each is imported when it is asked for: one may need a library that the others do without."""

from __future__ import annotations

from importlib import import_module

from pruning.methods.base import PruningMethod

CLASSES = {
    "dense": "pruning.methods.dense.Dense",
    "random": "pruning.methods.random.Random",
    "l1": "pruning.methods.l1.L1",
    "fcf": "pruning.methods.fcf.FCF",
    "gradual": "pruning.methods.gradual.Gradual",
    "slimming": "pruning.methods.slimming.Slimming",
    "torch_pruning": "pruning.methods.torch_pruning.TorchPruning",
    "group2d": "pruning.methods.group2d.Group2D",
}
SCORED = "pruning.methods.criteria.Scored"  # has the name of its criterion
RENAMED = {"fcf_ours": "gradual"}  # names of earlier versions


def find_method(name: str) -> tuple[type[PruningMethod], dict[str, str]]:
    """The class of that name, and the arguments that the name stands for.

    Raises:
        ValueError: no method has it, and no criterion.
    """
    if name in CLASSES:
        return load_class(CLASSES[name]), {}
    if name in RENAMED:
        raise ValueError(f"method {name!r} is called {RENAMED[name]!r} now")
    criteria = import_module("pruning.methods.criteria").CRITERIA
    if name not in criteria:
        names = ", ".join([*CLASSES, *criteria])
        raise ValueError(f"method must be one of {names}, or a PruningMethod of your own, got {name!r}")
    return load_class(SCORED), {"criterion": name}


def load_class(dotted: str) -> type[PruningMethod]:
    module, _, attribute = dotted.rpartition(".")
    return getattr(import_module(module), attribute)

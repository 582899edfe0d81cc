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
    "group2d": "pruning.methods.group2d.Group2D",
}
RENAMED = {"fcf_ours": "gradual"}  # names of earlier versions


def method_class(name: str) -> type[PruningMethod]:
    """Raises ValueError for a name that no method has."""
    if name in RENAMED:
        raise ValueError(f"method {name!r} is called {RENAMED[name]!r} now")
    if name not in CLASSES:
        raise ValueError(f"method must be one of {', '.join(CLASSES)}, or a PruningMethod of your own, got {name!r}")
    module, _, attribute = CLASSES[name].rpartition(".")
    return getattr(import_module(module), attribute)

"""Prune convolutional networks: `small = pruning.prune(model, example, "l1", macs=0.5)`, any network, any loop.

What a run has pruned is loaded again by `pruning.load("outputs/<run>/network").network`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pruning.api import attach, export, plan, prune
    from pruning.files.artifact import load, save
    from pruning.lightning.callback import PruningCallback
    from pruning.pruned import Pruned
    from pruning.pruner import Pruner
    from pruning.selection import Selection
    from pruning.surgery.certificate import certify
    from pruning.surgery.compact import compact
    from pruning.surgery.mask import mask
    from pruning.version import __version__

_HOMES = {
    **{name: f"pruning.api.{name}" for name in ("attach", "export", "plan", "prune")},
    **{name: f"pruning.files.artifact.{name}" for name in ("load", "save")},
    **{name: f"pruning.surgery.{name}" for name in ("certify", "compact", "mask")},
    "Pruned": "pruning.pruned.Pruned",
    "PruningCallback": "pruning.lightning.callback.PruningCallback",
    "Pruner": "pruning.pruner.Pruner",
    "Selection": "pruning.selection.Selection",
    "__version__": "pruning.version.__version__",
}
__all__ = [
    "Pruned",
    "Pruner",
    "PruningCallback",
    "Selection",
    "__version__",
    "attach",
    "certify",
    "compact",
    "export",
    "load",
    "mask",
    "plan",
    "prune",
    "save",
]


def __getattr__(name: str) -> Any:
    """On first use: importing the package alone does not pay for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, _, attribute = _HOMES[name].rpartition(".")
    return getattr(import_module(module), attribute)

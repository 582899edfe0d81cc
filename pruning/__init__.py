"""Prune convolutional networks, and load what was pruned: `pruning.load("outputs/<run>/network").network`."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pruning.files.artifact import Pruned, load, save
    from pruning.selection import Selection
    from pruning.surgery.compact import compact
    from pruning.surgery.mask import mask
    from pruning.version import __version__

_HOMES = {
    **dict.fromkeys(("Pruned", "load", "save"), "pruning.files.artifact"),
    **dict.fromkeys(("compact", "mask"), "pruning.surgery"),
    "Selection": "pruning.selection",
    "__version__": "pruning.version",
}
__all__ = ["Pruned", "Selection", "__version__", "compact", "load", "mask", "save"]


def __getattr__(name: str) -> Any:
    """On first use: importing the package alone does not pay for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)

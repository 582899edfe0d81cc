"""Every test runs on one thread, and checks the shapes that `pruning` writes in its signatures."""

import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads; processes side by side are faster than threads
os.environ["PRUNING_TARGETS"] = "tiny_run:saboteurs"  # a config may name the tests' own classes, as a user's package

from jaxtyping import install_import_hook

ROOT = Path(__file__).parents[1]
TRACED = ("pruning/models", "pruning/surgery/align.py")  # torch.fx runs these on symbols, which have no shape


def shaped() -> list[str]:
    """The modules whose signatures are checked."""
    files = sorted(path.relative_to(ROOT) for path in (ROOT / "pruning").rglob("*.py"))
    kept = [path for path in files if path.name != "__init__.py" and not str(path).startswith(TRACED)]
    return [".".join(path.with_suffix("").parts) for path in kept]


install_import_hook(shaped(), "beartype.beartype")

"""Every test runs on one thread, and checks the shapes that `pruning` writes in its signatures."""

import os
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads; processes side by side are faster than threads

from jaxtyping import install_import_hook

PRUNING = Path(__file__).parents[1] / "pruning"
TRACED = {"models", "__init__"}  # torch.fx runs these on symbols that have no shape

install_import_hook(
    sorted(f"pruning.{path.stem}" for path in PRUNING.glob("[!.]*") if path.stem not in TRACED), "beartype.beartype"
)

"""Every test runs on one thread of the processor, in an environment without what a user or a cluster has set (that the
program is at ease there is for faults/test_elsewhere.py to show), and checks the shapes in `pruning`'s signatures."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # before torch loads; processes side by side are faster than threads
# A config may name the tests' own classes, as a user's package
os.environ["PRUNING_TARGETS"] = "support.tiny_run:support.saboteurs"

import pytest
from jaxtyping import install_import_hook

from experiments.system.checkout import ROOT
from experiments.system.environment import forget_foreign_launchers

SET = ("WANDB_", "HYDRA_", "SLURM_", "PL_", "LSB_", "JSM_")
ALSO_SET = (
    "PYTHONWARNINGS",
    "FORCE_COLOR",
    "NO_COLOR",
    "CLICOLOR_FORCE",
    "COLUMNS",
    "LINES",
    "ALL_PROXY",
    "HTTP_PROXY",
)
ALSO_SET += ("HTTPS_PROXY",)

forget_foreign_launchers(os.environ)
for name in list(os.environ):
    if name.startswith(SET) or name.upper() in ALSO_SET:
        del os.environ[name]
os.environ["WANDB_MODE"] = "offline"

# torch.fx runs these on symbols, which have no shape; or it is watched who draws while they run, and beartype does
TRACED = (
    *("pruning/models", "pruning/surgery/align.py", "pruning/surgery/norms.py", "pruning/testing/samples.py"),
    *(f"pruning/graph/{name}.py" for name in ("decisions", "meta", "proxies", "refusal", "tracer")),
)


def shaped() -> list[str]:
    """The modules whose signatures are checked."""
    files = sorted(path.relative_to(ROOT) for path in (ROOT / "pruning").rglob("*.py"))
    kept = [path for path in files if path.name != "__init__.py" and not str(path).startswith(TRACED)]
    return [".".join(path.with_suffix("").parts) for path in kept]


install_import_hook(shaped(), "beartype.beartype")


def pytest_configure(config: pytest.Config) -> None:
    """Only tests that are asked for by their mark `gpu` see one."""
    if "gpu" not in config.option.markexpr.replace("not gpu", ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""

"""Imports point one way: run -> experiments -> {pruning, datamodules}; what must start fast imports no torch."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import pruning
from experiments.system.checkout import ROOT

ROOMS = ("pruning", "datamodules", "experiments")
FORBIDDEN = {
    "pruning": {"experiments", "datamodules", "hydra", "omegaconf", "wandb", "wandb_workspaces", "run"},
    "datamodules": {"experiments", "pruning", "hydra", "omegaconf", "wandb", "wandb_workspaces", "run"},
    "experiments": {"run"},
}

# Each imports only those above it in this list: a folder, or a file beside the folders
FLOORS = {
    "pruning": (
        *(
            "arguments",
            "draws",
            "selection",
            "modes",
            "timing",
            "graph",
            "budget",
            "surgery",
            "repair",
            "models",
            "objectives",
            "training",
            "methods",
        ),
        *("layers", "pruned", "files", "deploy", "planning", "batches", "wrappers", "pruner", "api", "lightning"),
        *("sensitivity", "dry_run", "testing"),
    ),
    "experiments": (
        *(
            "system",
            "records",
            "store",
            "config",
            "trainer",
            "report",
            "cli",
            "run",
            "evaluate",
            "plan",
            "sensitivity",
            "table",
        ),
        *("tracking", "sweep", "search", "asked_again", "pipeline", "program", "workspace"),
        *("benchmarks", "measure", "rates"),
    ),
    "experiments.report": ("load", "analyse", "render", "table"),
}


def sources(room: str) -> list[Path]:
    return sorted((ROOT / room).rglob("*.py"))


def imported(path: Path) -> Iterator[str]:
    """Dotted names, wherever in the file the import stands; relative ones made absolute."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            prefix = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*prefix, *(node.module or "").split(".")]).strip(".")
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_knows_only_what_is_below_it(room: str) -> None:
    assert sources(room)
    wrong = [
        (str(path), name) for path in sources(room) for name in imported(path) if name.split(".")[0] in FORBIDDEN[room]
    ]
    assert wrong == []


def floor(house: str, name: str) -> int:
    """Of a dotted name in a house; what stands in front of the folders (__init__, __main__) is on top."""
    above = (number for number, each in enumerate(FLOORS[house]) if f"{name}.".startswith(f"{house}.{each}."))
    return next(above, len(FLOORS[house]))


@pytest.mark.parametrize("house", FLOORS)
def test_a_folder_knows_only_those_below_it(house: str) -> None:
    places = {path: ".".join(path.relative_to(ROOT).with_suffix("").parts) for path in sources(house.replace(".", "/"))}
    assert {floor(house, place) for place in places.values()} >= set(range(len(FLOORS[house])))
    above = [
        (place, name)
        for path, place in places.items()
        for name in imported(path)
        if name.startswith(f"{house}.") and floor(house, place) < floor(house, name)
    ]
    assert above == []


def test_only_tracking_and_the_script_of_its_view_import_wandb() -> None:
    names = ("wandb", "wandb_workspaces")
    users = {path.name for path in sources("experiments") for name in imported(path) if name.split(".")[0] in names}
    assert users == {"wandb_run.py", "workspace.py"}


def test_methods_know_no_lightning() -> None:
    """One room calls their verbs in a Trainer; `pruning.training` and it are the only users."""
    users = {
        path.parent.name for path in sources("pruning") for name in imported(path) if name.split(".")[0] == "lightning"
    }
    assert users == {"training", "lightning"}


def test_methods_never_import_each_other() -> None:
    """A method is a folder with a card; what several share lies in folders without."""
    folders = [path for path in (ROOT / "pruning" / "methods").iterdir() if (path / "card.md").exists()]
    names = {f"pruning.methods.{folder.name}" for folder in folders}
    assert len(names) >= 4
    for folder in folders:
        others = names - {f"pruning.methods.{folder.name}"}
        for path in folder.rglob("*.py"):
            assert not [name for name in imported(path) if any(f"{name}.".startswith(f"{other}.") for other in others)]


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_is_a_drawer_for_everything(room: str) -> None:
    assert not [path for path in sources(room) if path.stem in ("utils", "helpers", "misc", "common")]


LIGHT = ("records.record", "records.jobs", "records.status", "system.locks", "system.preemption", "sweep.launch")
LIGHT += (
    "config.schema",
    "config.targets",
    "program",
    "cli.commandline",
    "cli.summary",
    "report",
    "workspace",
    "store",
    "rates",
)
HEAVY = ("torch", "lightning", "wandb")


def test_what_must_start_fast_starts_without_torch() -> None:
    """One after the other in one interpreter: the first that brings something heavy is named."""
    code = f"import sys, importlib\nfor name in {LIGHT}:\n    importlib.import_module('experiments.' + name)\n"
    done = python("-c", f"{code}    print(name, [each for each in {HEAVY} if each in sys.modules])")
    assert done.stdout.splitlines() == [f"{name} []" for name in LIGHT], done.stderr


PRUNE = """
import sys, pruning
assert not {"torch", "numpy"} & set(sys.modules), "the package alone"
import torch
network = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3))
print(pruning.prune(network, torch.randn(1, 3, 16, 16), "l1", layer=0.5).selection.kept("0"))
assert {name for name in pruning.__all__ if name == "PruningCallback" or hasattr(pruning, name)} == set(pruning._HOMES)
print(*{name.partition(".")[0] for name in sys.modules})
"""


def test_pruning_a_network_needs_torch_alone() -> None:
    """So do all public names but the callback, which needs lightning."""
    done = python("-c", PRUNE)
    assert done.returncode == 0, done.stderr
    kept, modules = done.stdout.splitlines()
    assert int(kept) == 4
    assert {"torch", "pruning"} <= set(modules.split())
    assert not {"lightning", "torchmetrics", "torchvision", "scipy", "sklearn", "timm"} & set(modules.split())


def test_the_testing_of_methods_is_a_module_not_a_name() -> None:
    assert "testing" not in pruning._HOMES
    assert find_spec("pruning.testing") is not None


def test_the_help_explains_the_choices_without_hydra() -> None:
    run = "sys.argv = ['run.py', '--help']\ntry: runpy.run_path('run.py', run_name='__main__')"
    code = f"import sys, runpy\n{run}\nfinally: assert not {{'hydra', 'omegaconf', 'torch'}} & set(sys.modules)"
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    for word in ("method=", "fcf", "model=", "vgg16", "ratio=0.5", "recipe=", "handwritten digits"):
        assert word in done.stdout


def test_a_value_is_refused_without_torch() -> None:
    run = "sys.argv = ['run.py', 'ratio=1.5']\ntry: runpy.run_path('run.py', run_name='__main__')"
    code = f"import sys, runpy\n{run}\nfinally: assert not {{'torch', 'lightning', 'wandb'}} & set(sys.modules)"
    done = python("-c", code)
    assert done.returncode == 2
    assert done.stderr.strip() == "ratio must lie in [0, 1), got 1.5: it is the share that is removed"


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)

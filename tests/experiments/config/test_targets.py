"""Packages of the user's own: what may be called of them, and how what cannot be called is explained."""

import sys
from pathlib import Path

import pytest

from experiments.config import targets
from experiments.config.node import Node

MINE = """
import os
from os import symlink
from torch import nn
from torch.nn import Linear
from mine import sub

class Net(nn.Sequential):
    @classmethod
    def wide(cls): return cls()

def make(num_classes): return Net()
"""


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "__init__.py").write_text(MINE)
    (tmp_path / "mine" / "sub.py").write_text("from torch import nn\nclass Part(nn.Module): pass\n")
    (tmp_path / "mine" / "broken.py").write_text("import nowhere_at_all\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PRUNING_TARGETS", "mine")
    yield
    for name in [each for each in sys.modules if each.partition(".")[0] == "mine"]:
        del sys.modules[name]


@pytest.mark.parametrize("target", ["mine.Net", "mine.make", "mine.sub.Part", "mine.Net.wide"])
def test_a_package_of_the_users_own_is_called(target: str) -> None:
    targets.refuse_foreign("model", Node(target, {}))


@pytest.mark.parametrize("place", ["model", "method", "data"])
@pytest.mark.parametrize(
    "target",
    [
        "mine.os.symlink",
        "mine.symlink",
        "mine.Linear",
        "mine.sub.nn.Linear",
        "mine.os.system",
        "mine.nn",
        "mine.sub",
        "mine.Net.load_state_dict",
        "mine.__builtins__",
        "mine.__loader__.exec_module",
    ],
)
def test_only_what_a_package_defines_is_called(place: str, target: str) -> None:
    with pytest.raises(ValueError, match=rf"{place}\._target_={target}"):
        targets.refuse_foreign(place, Node(target, {}))


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("mine.Nett", r"mine has no Nett; did you mean mine\.Net\?"),
        ("mine.subb.Part", r"mine has no subb; did you mean mine\.sub\?"),
        ("mine.broken.X", r"mine\.broken cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        (
            "pruning.models.resnet.ResNett",
            r"pruning\.models\.resnet has no ResNett; did you mean pruning\.models\.resnet",
        ),
        ("mine_too.Net", "only classes defined in pruning.models may be called here; for a package of yours set"),
    ],
)
def test_a_target_that_is_not_to_be_had_is_explained(target: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        targets.refuse_foreign("model", Node(target, {}))


def test_a_package_that_is_not_on_the_path_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNING_TARGETS", "theirs_gone")
    with pytest.raises(ValueError, match="no package theirs_gone is on Python's path: install it, or name its folder"):
        targets.refuse_foreign("model", Node("theirs_gone.Net", {}))


def test_a_factory_is_told_what_it_is_called_with() -> None:
    said = r"model\._target_=mine\.make: .*; it is called with \(depth, classes, image_shape, seed\), and must take"
    with pytest.raises(ValueError, match=said):
        targets.refuse_misfit("model", Node("mine.make", {"depth": 3}))

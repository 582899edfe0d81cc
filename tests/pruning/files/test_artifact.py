"""A pruned network comes back bit for bit."""

import copy
import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import pruning
from pruning.files.artifact import DESCRIPTION, WEIGHTS, load, save
from pruning.models import Origin, registry
from pruning.pruned import Preprocessing, Pruned
from pruning.selection import Selection
from pruning.surgery import compact
from support import format_1
from support.kept_network import CLASSES, RESNET, SHAPE, pruned

RESNETS = (RESNET, Origin("resnet", {"depth": 8, "shortcut": "B"}))
KEPT = [
    *((origin, SHAPE, patterned) for origin in RESNETS for patterned in (False, True)),
    (Origin("vgg16", {}), SHAPE, False),
    (Origin("torchvision_network", {"name": "shufflenet_v2_x0_5"}), (3, 64, 64), False),
    (Origin("torchvision_network", {"name": "regnet_y_400mf"}), (3, 64, 64), False),
]


@pytest.mark.parametrize(("origin", "image_shape", "patterned"), KEPT, ids=str)
def test_it_comes_back_bit_for_bit(
    origin: Origin, image_shape: tuple[int, int, int], patterned: bool, tmp_path: Path
) -> None:
    given = pruned(origin, image_shape, patterned)
    save(given, tmp_path)
    got = load(tmp_path)
    images = torch.randn(3, *image_shape)
    with torch.no_grad():
        assert torch.equal(got.network(images), given.network(images))
    assert not got.network.training
    assert list(got.network.state_dict()) == list(given.network.state_dict())
    assert (got.selection, got.origin, got.image_shape) == (given.selection, origin, image_shape)
    assert (got.classes, got.preprocessing) == (CLASSES, given.preprocessing)


def test_it_can_be_trained_and_saved_again(saved: Path, tmp_path: Path) -> None:
    first = load(saved)
    first.network.train()(torch.randn(4, *SHAPE)).sum().backward()
    assert all(p.grad is not None for p in first.network.parameters())
    first.network.eval()
    save(first, tmp_path)
    second = load(tmp_path).network.state_dict()
    assert all(torch.equal(value, second[key]) for key, value in first.network.state_dict().items())


def test_a_copy_that_was_trained_elsewhere_is_saved(tmp_path: Path) -> None:
    """As a stage hands it over: a deep copy, trained channels-last, some of it frozen."""
    given = pruned(RESNET, SHAPE)
    network = copy.deepcopy(given.network).train().to(memory_format=torch.channels_last)
    network.get_submodule("conv1").requires_grad_(False)
    network(torch.randn(4, *SHAPE)).sum().backward()
    save(dataclasses.replace(given, network=network), tmp_path)
    got = load(tmp_path).network.state_dict()
    assert all(torch.equal(value, got[key]) for key, value in network.state_dict().items())


def test_only_two_files_are_left(saved: Path) -> None:
    assert sorted(path.name for path in saved.iterdir()) == [DESCRIPTION, WEIGHTS]


def test_it_is_loaded_without_the_methods_code(saved: Path) -> None:
    code = f"""
import sys, pruning
assert "torch" not in sys.modules
got = pruning.load({str(saved)!r})
assert got.classes[0] == "cat", got.classes
assert not [name for name in sys.modules if name.startswith(("pruning.methods", "lightning", "experiments"))]
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(pruning.__file__).parents[1], capture_output=True)
    assert done.returncode == 0, done.stderr.decode()


def test_a_network_of_the_users_own(tmp_path: Path) -> None:
    def build() -> nn.Module:
        return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 4, 3), nn.Flatten(), nn.Linear(4 * 4 * 4, 3))

    choice = Selection.of_rows(build(), {"0": torch.arange(8) < 5})
    dense = build().double()
    small = compact(dense, choice, (3, 8, 8))
    given = Pruned(small, choice, None, (3, 8, 8), CLASSES)
    save(given, tmp_path, dense)
    got = load(tmp_path, build()).network
    images = torch.randn(2, 3, 8, 8).double()
    assert torch.equal(got(images), small.eval()(images))
    with pytest.raises(ValueError, match="cannot be built by name: give dense="):
        load(tmp_path)


def test_a_network_that_is_something_else_is_not_saved(tmp_path: Path) -> None:
    given = pruned(RESNET, SHAPE)
    other = pruned(Origin("resnet", {"depth": 14, "shortcut": "A"}), SHAPE)
    with pytest.raises(ValueError):  # noqa: PT011 (which of its words comes first is of no account)
        save(Pruned(other.network, given.selection, RESNET, SHAPE, CLASSES), tmp_path / "a")
    dense = registry.BUILDERS["resnet"](classes=3, image_shape=SHAPE, **RESNET.arguments)
    with pytest.raises(ValueError, match="could not be loaded again"):
        save(Pruned(dense, Selection.full(dense), RESNET, SHAPE, CLASSES), tmp_path / "b")
    assert list(tmp_path.iterdir()) == []


def test_normalisation_by_hand() -> None:
    images = torch.full((1, 3, 2, 2), 0.8)
    done = Preprocessing((0.4, 0.5, 0.0), (0.2, 0.3, 1.0)).normalise(images)
    torch.testing.assert_close(done[0, :, 0, 0], torch.tensor([2.0, 1.0, 0.8]))


def test_a_folder_of_format_version_1_still_loads(tmp_path: Path) -> None:
    format_1.write(tmp_path)
    loaded = load(tmp_path)
    images = torch.linspace(-1, 1, 6144).view(2, *SHAPE)
    torch.testing.assert_close(loaded.network(images), torch.tensor(format_1.LOGITS), atol=1e-4, rtol=1e-4)
    assert (loaded.origin, loaded.classes, loaded.report) == (RESNET, ("a", "b"), None)
    assert loaded.selection.kept("layer1.0.conv1") == 1

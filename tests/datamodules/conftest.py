from collections.abc import Callable
from pathlib import Path

import pytest
from tiny_images import CIFAR10, write_images

from datamodules.cifar import Cifar
from datamodules.digits import Digits


@pytest.fixture(autouse=True)
def private_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for number, name in enumerate(CIFAR10):
        write_images(tmp_path / "data" / "train" / name, 6, number)
        write_images(tmp_path / "data" / "test" / name, 2, 100 + number)
    return tmp_path / "data"


@pytest.fixture
def cifar(root: Path) -> Callable[..., Cifar]:
    def make(**changed: object) -> Cifar:
        values = {"name": "cifar10", "root": str(root), "download": False, "batch": 16, "val": 0.2, "seed": 0}
        values |= {"pad": 4, "flip": True, "mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
        return Cifar(**values | changed)

    return make


@pytest.fixture
def digits() -> Callable[..., Digits]:
    def make(**changed: object) -> Digits:
        values = {"batch": 64, "val": 0.2, "seed": 0, "pad": 2, "mean": [0.305] * 3, "std": [0.376] * 3}
        data = Digits(**values | changed)
        data.prepare_data()
        data.setup()
        return data

    return make

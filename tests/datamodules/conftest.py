import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from datamodules.cifar import Cifar
from datamodules.digits import Digits
from datamodules.folder import Folder
from support.tiny_images import CIFAR10, KINDS, add, picture, write_images


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


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three classes, in train of every kind of file there is."""
    for number, (part, name) in enumerate((part, name) for part in ("train", "val") for name in ("ape", "bee", "cow")):
        folder = tmp_path / "images" / part / name
        folder.mkdir(parents=True)
        for index, (mode, suffix) in enumerate(KINDS.items()):
            picture(mode, 60 + 5 * index, 50, seed=number * 10 + index).save(folder / f"{index}.{suffix}")
    return tmp_path / "images"


@pytest.fixture
def folder(tree: Path) -> Iterator[Callable[..., Folder]]:
    made: list[Folder] = []

    def make(**changed: object) -> Folder:
        values = {"name": "imagenet", "root": str(tree), "format": "folder", "train": "train", "test": "val"}
        values |= {
            "size": 32,
            "resize": 40,
            "workers": 0,
            "exif": "ignore",
            "verify": "auto",
            "skip_broken": False,
            "broken_most": 0.2,
            "batch": 5,
            "val": 0.25,
            "seed": 0,
        }
        values |= {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
        data = Folder(**values | changed)
        data.prepare_data()
        data.setup()
        made.append(data)
        return data

    yield make
    for data in made:
        data.teardown()


@pytest.fixture
def shards(tree) -> Path:
    """The same images, in the same order, in two shards a part."""
    root = tree.parent / "shards"
    root.mkdir()
    (root / "classes.txt").write_text("ape\nbee\ncow\n")
    for part in ("train", "val"):
        paths = sorted((tree / part).glob("*/*"))
        for number, half in enumerate((paths[:11], paths[11:])):
            with tarfile.open(root / f"{part}-{number:06d}.tar", "w") as archive:
                for index, path in enumerate(half):
                    label = str(("ape", "bee", "cow").index(path.parent.name)).encode()
                    add(archive, f"{index:04d}{path.suffix}", path.read_bytes())
                    add(archive, f"{index:04d}.cls", label)
    return root

"""CIFAR's official files, as torchvision lays them out: checked by digest, then unpickled with an allow-list."""

import hashlib
import pickle
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from datamodules.small import Decoded

DOWNLOAD_TIMEOUT = 60  # without an answer, before a download is given up


@dataclass(frozen=True)
class Release:
    """One published set: the folder, the MD5 of each of its files, and what the pickles' keys are called."""

    title: str  # the class in torchvision.datasets
    folder: str
    train: dict[str, str]
    test: dict[str, str]
    names: dict[str, str]
    label_key: str
    names_key: str
    classes: int

    @property
    def files(self) -> dict[str, str]:
        return self.train | self.test | self.names


RELEASES = {
    "cifar10": Release(
        title="CIFAR10",
        folder="cifar-10-batches-py",
        train={
            "data_batch_1": "c99cafc152244af753f735de768cd75f",
            "data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            "data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            "data_batch_4": "634d18415352ddfa80567beed471001a",
            "data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        test={"test_batch": "40351d587109b95175f43aff81a1287e"},
        names={"batches.meta": "5ff9c542aee3614f3951f8cda6e48888"},
        label_key="labels",
        names_key="label_names",
        classes=10,
    ),
    "cifar100": Release(
        title="CIFAR100",
        folder="cifar-100-python",
        train={"train": "16019d7e3df5f24257cddd939b257f8d"},
        test={"test": "f0ef6b0ae62326f3e7ffdfab6717acfc"},
        names={"meta": "7973b15100ade9c7d40fb424638fde48"},
        label_key="fine_labels",
        names_key="fine_label_names",
        classes=100,
    ),
}


ARRAYS = {
    ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _Unpickler(pickle.Unpickler):
    """A digest can be forged, so nothing but an array may come out of a pickle."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in ARRAYS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return ARRAYS[module, name]


def unpickle(path: Path) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            return _Unpickler(file, encoding="latin1").load()
    except (pickle.UnpicklingError, EOFError, KeyError, IndexError, ValueError) as error:
        raise ValueError(f"{path} is not a CIFAR file ({error}): remove it and fetch it again") from error


def damaged_files(root: Path, release: Release) -> list[str]:
    """The files that are missing or are not the published ones."""
    paths = {name: root / release.folder / name for name in release.files}
    return [name for name, path in paths.items() if not path.is_file() or _md5(path) != release.files[name]]


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def read_release(root: Path, release: Release) -> Decoded:
    folder = root / release.folder
    names = unpickle(folder / next(iter(release.names)))[release.names_key]
    train, test = (_read_batches(folder, list(files), release.label_key) for files in (release.train, release.test))
    return Decoded(tuple(names), *train, *test)


def _read_batches(folder: Path, files: list[str], key: str) -> tuple[UInt8[Tensor, "n 32 32 3"], Int[Tensor, " n"]]:
    batches = [unpickle(folder / file) for file in files]
    planes = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
    labels = np.concatenate([batch[key] for batch in batches]).astype(np.int64)
    return torch.from_numpy(np.ascontiguousarray(planes.transpose(0, 2, 3, 1))), torch.from_numpy(labels)


def download(root: Path, release: Release) -> None:
    """torchvision fetches and checks the archive; what goes wrong is told in one line."""
    from torchvision import datasets  # 8 s to import

    try:
        root.mkdir(parents=True, exist_ok=True)
        with _socket_timeout():
            getattr(datasets, release.title)(str(root), download=True)
    except (OSError, RuntimeError) as error:
        raise FileNotFoundError(
            f"{release.title} could not be downloaded to data.root={root} ({str(error).splitlines()[0]}): put its "
            f"files into {root / release.folder}, or images into {root}/train/<class>/ and {root}/test/<class>/"
        ) from error


@contextmanager
def _socket_timeout() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(DOWNLOAD_TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

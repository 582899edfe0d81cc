"""Tar shards in webdataset's layout (KEY.jpg beside KEY.cls), indexed once and read by position.

Reading by position keeps what folders have: any order, any share of any process, a resume at any batch, no overlap
and no repeats. Nothing is ever unpacked, so a member's path can do no harm.
"""

import hashlib
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np
import torch

from datamodules.cache import Bundle, load_or_build
from datamodules.decode import BrokenImageError
from datamodules.sources import Source
from datamodules.stamps import stamps
from datamodules.tree import SUFFIXES, check_folder, list_names

NAMES = "classes.txt"  # one class a line; without it, a class is called by its number
COLUMNS = ("shard", "offset", "size", "label")


@final
class ShardSource(Source):
    """The images of one part's shards."""

    def __init__(self, shards: list[Path], index: np.ndarray, classes: tuple[str, ...], digest: str) -> None:
        self.classes, self.labels = classes, index[:, COLUMNS.index("label")]
        self._shards, self._index, self._digest = shards, index, digest

    @property
    def digest(self) -> str:
        return self._digest

    @property
    def files(self) -> list[bytes]:
        return [os.fsencode(path) for path in self._shards]

    def read(self, index: int) -> bytes:
        shard, offset, size, _ = self._index[index].tolist()
        with open(self._shards[shard], "rb", buffering=0) as file:
            content = os.pread(file.fileno(), size, offset)
        if len(content) < size:
            raise BrokenImageError(f"{self.name(index)} is cut off: fetch the shard again")
        return content

    def name(self, index: int) -> str:
        shard, offset, _, _ = self._index[index].tolist()
        return f"{self._shards[shard]} at byte {offset}"


def shard_sources(root: Path, train: str, test: str, remedy: str) -> tuple[ShardSource, ShardSource]:
    check_folder(root, remedy)
    shards = {part: _find_shards(root, folder, remedy) for part, folder in (("train", train), ("test", test))}
    bundle = load_or_build(root, "shards", _fingerprint(shards), lambda: _index_shards(root, shards))
    indices = [bundle.tensors[part].numpy() for part in shards]
    train_labels, test_labels = ({int(label) for label in index[:, COLUMNS.index("label")]} for index in indices)
    if train_labels != test_labels:
        raise ValueError(
            f"{root}: the shards of {train} and of {test} must hold the same classes; only in {train}: "
            f"{list_names([*map(str, sorted(train_labels - test_labels))])}; only in {test}: "
            f"{list_names([*map(str, sorted(test_labels - train_labels))])}: complete them"
        )
    if train_labels != set(range(len(bundle.classes))):
        raise ValueError(
            f"{root} must hold each of {len(bundle.classes)} classes, got labels of {len(train_labels)}: see {NAMES}"
        )
    train_source, test_source = (
        ShardSource(shards[part], index, bundle.classes, bundle.digest)
        for part, index in zip(shards, indices, strict=True)
    )
    return train_source, test_source


def _find_shards(root: Path, name: str, remedy: str) -> list[Path]:
    shards = sorted(root.glob(f"*{name}*.tar"))
    if not shards:
        raise FileNotFoundError(f"data.root={root} has no shards *{name}*.tar: {remedy}")
    return shards


def _fingerprint(shards: dict[str, list[Path]]) -> str:
    paths = [path for part in shards for path in shards[part]]
    names = [(part, path.name) for part in shards for path in shards[part]]
    return hashlib.sha256(repr((names, stamps(paths).tolist())).encode()).hexdigest()


def _index_shards(root: Path, shards: dict[str, list[Path]]) -> Bundle:
    rows = {part: [(n, *row) for n, p in enumerate(paths) for row in index_shard(p)] for part, paths in shards.items()}
    tensors = {part: torch.tensor(row, dtype=torch.int64).reshape(-1, len(COLUMNS)) for part, row in rows.items()}
    if (root / NAMES).is_file():
        return Bundle(tuple((root / NAMES).read_text().split("\n")[:-1]), tensors)
    largest = max(int(table[:, COLUMNS.index("label")].max()) for table in tensors.values())
    return Bundle(tuple(str(label) for label in range(largest + 1)), tensors)


def index_shard(path: Path) -> list[tuple[int, int, int]]:
    """Position, size and label of each image of a shard, in its order."""
    images: dict[str, tuple[int, int]] = {}
    labels: dict[str, int] = {}
    try:
        with tarfile.open(path, "r:") as archive:
            for member, key, suffix in _iterate_members(archive, path):
                if suffix == ".cls":
                    labels[key] = _read_label(archive, member, path)
                elif suffix in SUFFIXES:
                    images[key] = (member.offset_data, member.size)
    except tarfile.TarError as error:
        raise ValueError(f"{path} is not a whole tar file ({error}): fetch it again") from error
    if odd := sorted(images.keys() ^ labels.keys()):
        words = f"needs one image and one .cls for each key, not so for {list_names(odd)}: make it again"
        raise ValueError(f"{path} {words}")
    return [(*images[key], labels[key]) for key in images]


def _iterate_members(archive: tarfile.TarFile, path: Path) -> Iterator[tuple[tarfile.TarInfo, str, str]]:
    length = path.stat().st_size
    for member in archive:
        if member.isdir():
            continue
        if not member.isfile() or member.offset_data + member.size > length:
            raise ValueError(
                f"{path}: {member.name!r} is a link or is cut off, only whole files are read: fetch it again"
            )
        folder, _, base = member.name.rpartition("/")
        key, _, suffix = base.partition(".")
        yield member, f"{folder}/{key}", f".{suffix.lower()}"


def _read_label(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> int:
    content = archive.extractfile(member)
    text = content.read(32).decode("ascii", "replace").strip() if content else ""
    if not text.isdigit():
        raise ValueError(f"{path}: {member.name!r} must hold a class number, got {text!r}: make the shard again")
    return int(text)

"""CIFAR-10 and CIFAR-100, from the official files or from folders of images: the same split and batches either way."""

import hashlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property, partial
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from datamodules.cache import Bundle, load_or_build
from datamodules.cifar_files import RELEASES, Release, damaged_files, download, read_release
from datamodules.dataset_spec import DatasetSpec, numbered_classes
from datamodules.decode import decode
from datamodules.small import Decoded, SmallImages
from datamodules.stamps import stamps
from datamodules.tree import Tree, check_folder, omission_remarks, refuse_addresses, scan_train_and_test

SIDE = 32
TRAIN = 50_000  # images of either release
THREADS = 8  # decoding waits for the disk, above all on a network
REMEDY = "give data.download=true, or a data.root that holds {folder}/, or train/<class>/ and test/<class>/"


@final
class Cifar(SmallImages):
    """`name`: cifar10 or cifar100; `root` holds torchvision's folder, or train/<class>/*.png and test/<class>/*.png."""

    def __init__(
        self,
        name: str,
        root: str,
        download: bool,
        batch: int,
        val: float | int,
        seed: int,
        pad: int,
        flip: bool,
        mean: list[float],
        std: list[float],
    ) -> None:
        super().__init__(batch, val, seed, pad, flip, mean, std)
        refuse_addresses(root=root)
        self.name, self.root, self.download = name, Path(root).expanduser(), download
        self._omissions: list[str] = []

    @property
    def remarks(self) -> list[str]:
        return omission_remarks(self._omissions)

    @cached_property
    def release(self) -> Release:
        return RELEASES[self.name]

    @property
    def published_spec(self) -> DatasetSpec | None:
        if self._has_folders() or self._complete():
            return None
        return DatasetSpec(numbered_classes(self.release.classes), (3, SIDE, SIDE), TRAIN, self.val, self.batch)

    def read(self) -> Bundle:
        remedy = REMEDY.format(folder=self.release.folder)
        if self._has_folders():
            train, test = scan_train_and_test(self.root, "train", "test", remedy)
            self._omissions = [train.omissions, test.omissions]
            return self._from_folders(train, test)
        if self.download and not self._complete():
            download(self.root, self.release)
        check_folder(self.root, remedy)
        return self._from_release(remedy)

    def _has_folders(self) -> bool:
        return any((self.root / part).is_dir() for part in ("train", "test"))

    def _complete(self) -> bool:
        return all((self.root / self.release.folder / file).is_file() for file in self.release.files)

    def _from_release(self, remedy: str) -> Bundle:
        folder = self.root / self.release.folder
        present = [name for name in self.release.files if (folder / name).is_file()]
        if not present:
            raise FileNotFoundError(f"data.root={self.root} holds no {self.release.title}: {remedy}")
        return load_or_build(self.root, self.name, _fingerprint({folder: present}), self._read_release)

    def _read_release(self) -> Bundle:
        if broken := damaged_files(self.root, self.release):
            raise ValueError(
                f"{self.root / self.release.folder}: {', '.join(broken)} missing or not as published "
                "(half a download?): remove the folder and give data.download=true"
            )
        return sort_canonically(read_release(self.root, self.release)).to_bundle()

    def _from_folders(self, train: Tree, test: Tree) -> Bundle:
        if len(train.classes) != self.release.classes:
            raise ValueError(
                f"{train.folder} must hold the {self.release.classes} classes of {self.release.title}, "
                f"got {len(train.classes)}: complete it, or use data=folder for another set"
            )
        fingerprint = _fingerprint({tree.folder: tree.files for tree in (train, test)})
        return load_or_build(self.root, self.name, fingerprint, partial(_decode_trees, train, test))


def _fingerprint(sources: Mapping[Path, Sequence[str]]) -> str:
    """Of names and stamps: any change of a source makes its cache stale."""
    digest = hashlib.sha256(b"2")  # the cache's format, and the rules by which images were read
    for folder, files in sources.items():
        for file, stamp in zip(files, stamps([f"{folder}/{file}" for file in files]).tolist(), strict=True):
            digest.update(f"{folder.name}/{file} {stamp}\n".encode())
    return digest.hexdigest()


def _decode_trees(train: Tree, test: Tree) -> Bundle:
    with ThreadPoolExecutor(THREADS) as pool:
        pixels = [torch.from_numpy(np.stack(list(pool.map(_decode_file, tree.paths)))) for tree in (train, test)]
    labels = [torch.from_numpy(tree.labels.astype(np.int64)) for tree in (train, test)]
    return sort_canonically(Decoded(train.classes, pixels[0], labels[0], pixels[1], labels[1])).to_bundle()


def _decode_file(path: str) -> UInt8[np.ndarray, "32 32 3"]:
    image = decode(path)
    if image.shape[:2] != (SIDE, SIDE):
        raise ValueError(f"{path} must be {SIDE}x{SIDE} pixels, is {image.shape[1]}x{image.shape[0]}: use data=folder")
    return image


def sort_canonically(decoded: Decoded) -> Decoded:
    """In the order of class and content, so that an image's number does not depend on how it was stored."""
    train = _canonical_order(decoded.train_pixels, decoded.train_labels)
    test = _canonical_order(decoded.test_pixels, decoded.test_labels)
    return Decoded(
        decoded.classes,
        decoded.train_pixels[train],
        decoded.train_labels[train],
        decoded.test_pixels[test],
        decoded.test_labels[test],
    )


def _canonical_order(pixels: UInt8[Tensor, "n h w 3"], labels: Int[Tensor, " n"]) -> Int[Tensor, " n"]:
    """Within a class by digest: by value would put the dark images first, and leave the split to the light."""
    digests = (hashlib.blake2b(image.data, digest_size=16).digest() for image in pixels.numpy())
    keys = list(zip(labels.tolist(), digests, strict=True))
    return torch.tensor(sorted(range(len(keys)), key=keys.__getitem__))

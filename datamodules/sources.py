"""Where large images come from: numbered files with a label each, in class folders or in tar shards."""

import hashlib
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Int

from datamodules.decode import BrokenImageError, read_file
from datamodules.tree import Tree


class Source(ABC):
    """Holds arrays, no lists of strings: worker processes would copy those page by page as they count references."""

    classes: tuple[str, ...]
    labels: Int[np.ndarray, " n"]
    omissions: str = ""  # the files beside the images that are not read, in words

    @property
    @abstractmethod
    def digest(self) -> str:
        """Of the images' names and order; what is in them is told by `contents.identify`."""

    @property
    @abstractmethod
    def files(self) -> list[bytes]:
        """All that the images are read from."""

    @abstractmethod
    def read(self, index: int) -> bytes:
        """The file's content."""

    def contents(self, indices: list[int]) -> Iterator[bytes]:
        """Of those that can be read."""
        for index in indices:
            with suppress(BrokenImageError, OSError):
                yield self.read(index)

    @abstractmethod
    def name(self, index: int) -> str:
        """What an error calls the image."""


@final
class FolderSource(Source):
    """One folder of class folders."""

    def __init__(self, tree: Tree) -> None:
        self.classes, self.labels, self.omissions = tree.classes, tree.labels, tree.omissions
        self._folder = os.fsencode(tree.folder)
        self._files = np.array([os.fsencode(file) for file in tree.files])

    @cached_property
    def digest(self) -> str:
        return hashlib.sha256(b"\n".join([*map(str.encode, self.classes), *self._files.tolist()])).hexdigest()

    @property
    def files(self) -> list[bytes]:
        return [self._folder + b"/" + file for file in self._files.tolist()]

    def read(self, index: int) -> bytes:
        return read_file(self.name(index))

    def name(self, index: int) -> str:
        return os.fsdecode(self._folder + b"/" + bytes(self._files[index]))

"""A folder of class folders: train/<class>/<image>, and the same classes in a second folder."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif"}


@dataclass(frozen=True)
class Tree:
    """The images of one folder, in the order of class and file name."""

    folder: Path
    classes: tuple[str, ...]
    files: tuple[str, ...]  # "<class>/<name>"
    labels: Int[np.ndarray, " n"]

    @property
    def paths(self) -> list[str]:
        return [f"{self.folder}/{file}" for file in self.files]


def plain_folder(root: Path, remedy: str) -> Path:
    """The root itself, if it is a folder that can be read."""
    if root.is_symlink() and not root.exists():
        raise FileNotFoundError(f"data.root={root} is a link to {os.readlink(root)}, which does not exist: {remedy}")
    if not root.exists():
        raise FileNotFoundError(f"data.root={root} does not exist: {remedy}")
    if not root.is_dir():
        raise NotADirectoryError(f"data.root={root} must be a folder, and is a file: {remedy}")
    if not os.access(root, os.R_OK | os.X_OK):
        raise PermissionError(
            f"data.root={root} may not be read: give it read permission, or point data.root elsewhere"
        )
    return root


def scan(root: Path, part: str, remedy: str) -> Tree:
    """The images under root/part; a class is a folder, hidden ones aside."""
    folder = root / part
    if not folder.is_dir():
        raise FileNotFoundError(f"data.root={root} has no folder {part}/<class>/: {remedy}")
    classes = tuple(sorted(entry.name for entry in _visible(folder) if entry.is_dir()))
    if not classes:
        raise FileNotFoundError(f"{folder} has no class folders: put each image into {part}/<class>/")
    files = [sorted(f"{name}/{entry.name}" for entry in _images(folder / name)) for name in classes]
    if empty := [name for name, found in zip(classes, files, strict=True) if not found]:
        raise FileNotFoundError(f"{folder} has no images of {listed(empty)}: half a copy? {remedy}")
    labels = np.repeat(np.arange(len(classes)), [len(found) for found in files])
    return Tree(folder, classes, tuple(name for found in files for name in found), labels)


def scan_both(root: Path, train: str, test: str, remedy: str) -> tuple[Tree, Tree]:
    """Both folders; labels always follow the training folder's classes, and a class of one alone is an error.

    Counting each folder's own classes would shift every label after a missing one, without a word.
    """
    plain_folder(root, remedy)
    trees = scan(root, train, remedy), scan(root, test, remedy)
    learned, tested = (set(tree.classes) for tree in trees)
    if learned != tested:
        raise ValueError(
            f"{root / train} and {root / test} must hold the same classes; "
            f"only in {train}: {listed(sorted(learned - tested))}; only in {test}: {listed(sorted(tested - learned))}: "
            f"add or remove these folders"
        )
    return trees


def listed(names: list[str], most: int = 5) -> str:
    shown = ", ".join(names[:most]) or "none"
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown


def _visible(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _images(folder: Path) -> Iterator[os.DirEntry[str]]:
    return (entry for entry in _visible(folder) if os.path.splitext(entry.name)[1].lower() in SUFFIXES)

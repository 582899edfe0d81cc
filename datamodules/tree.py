"""A folder of class folders: train/<class>/<image>, at any depth, and the same classes in a second folder."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int
from PIL import Image

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".gif"}
SUFFIXES |= {".avif"} & Image.registered_extensions().keys()  # where Pillow was built with it
BESIDE, WITHOUT = "files beside the class folders", "files without a suffix"
LITTER = {"thumbs.db", "desktop.ini"}  # of file managers; nobody misses these


@dataclass(frozen=True)
class Tree:
    """The images of one folder, in the order of class and file name."""

    folder: Path
    classes: tuple[str, ...]
    files: tuple[str, ...]  # "<class>/<name>", or "<class>/<folder>/<name>"
    labels: Int[np.ndarray, " n"]
    left_out: Counter[str] = field(default_factory=Counter)  # files that are not read, by suffix or place

    @property
    def paths(self) -> list[str]:
        return [f"{self.folder}/{file}" for file in self.files]

    @property
    def omissions(self) -> str:
        """What was left out, in words; none where nothing was."""
        return f"{_list_counts(self.left_out)} of {self.folder.name}/" if self.left_out.total() else ""


def refuse_addresses(**values: str | None) -> None:
    """Nothing is fetched: whatever opens an address of a configuration also opens one that is a command."""
    for key, value in values.items():
        if value and ("://" in value or value.startswith("pipe:")):
            raise ValueError(
                f"data.{key}={value} is an address, and nothing is fetched: sync it into a folder first with the "
                f"store's own client (aws s3 sync, gsutil rsync, wget), then set data.root=FOLDER"
            )


def check_folder(root: Path, remedy: str) -> Path:
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


def scan_tree(root: Path, part: str, remedy: str) -> Tree:
    """The images under root/part; a class is a folder, whatever folders it holds (as torchvision's ImageFolder reads
    it), hidden ones aside."""
    folder = root / part
    if not folder.is_dir():
        raise FileNotFoundError(f"data.root={root} has no folder {part}/<class>/: {remedy}")
    classes = tuple(sorted(entry.name for entry in _visible_entries(folder) if entry.is_dir()))
    if not classes:
        raise FileNotFoundError(f"{folder} has no class folders: put each image into {part}/<class>/")
    files_of_class = {name: [f"{name}/{file}" for file in _walk_files(folder / name)] for name in classes}
    files = {name: sorted(filter(is_image, names)) for name, names in files_of_class.items()}
    left_out = Counter(suffix(file) for names in files_of_class.values() for file in names if not is_image(file))
    left_out[BESIDE] = sum(not entry.is_dir() for entry in _visible_entries(folder))
    if empty := [name for name, images in files.items() if not images]:
        others = f" (but {_list_counts(left_out)})" if left_out.total() else ""
        raise FileNotFoundError(f"{folder} has no images of {list_names(empty)}{others}: half a copy? {remedy}")
    labels = np.repeat(np.arange(len(classes)), [len(images) for images in files.values()])
    return Tree(folder, classes, tuple(file for images in files.values() for file in images), labels, left_out)


def scan_train_and_test(root: Path, train: str, test: str, remedy: str) -> tuple[Tree, Tree]:
    """Both folders; labels always follow the training folder's classes, and a class of one alone is an error.

    Counting each folder's own classes would shift every label after a missing one, without a word.
    """
    check_folder(root, remedy)
    trees = scan_tree(root, train, remedy), scan_tree(root, test, remedy)
    train_classes, test_classes = (set(tree.classes) for tree in trees)
    if train_classes != test_classes:
        raise ValueError(
            f"{root / train} and {root / test} must hold the same classes; "
            f"only in {train}: {list_names(sorted(train_classes - test_classes))}; "
            f"only in {test}: {list_names(sorted(test_classes - train_classes))}: add or remove these folders"
        )
    return trees


def list_names(names: list[str], limit: int = 5) -> str:
    shown = ", ".join(names[:limit]) or "none"
    return f"{shown} and {len(names) - limit} more" if len(names) > limit else shown


def omission_remarks(omissions: list[str]) -> list[str]:
    """The one line of all trees, if anything was left out."""
    if not any(omissions):
        return []
    read = " ".join(sorted(SUFFIXES))
    return [
        f"left out: {'; '.join(filter(None, omissions))} (read are {read} below class folders: convert or move them)"
    ]


def is_image(file: str) -> bool:
    return suffix(file) in SUFFIXES


def suffix(file: str) -> str:
    return os.path.splitext(file)[1].lower() or WITHOUT


def _list_counts(left_out: Counter[str]) -> str:
    return list_names([f"{count} {what}" for what, count in sorted(left_out.items()) if count])


def _visible_entries(folder: Path | str) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith(".") and entry.name.lower() not in LITTER)


def _walk_files(folder: Path | str, within: str = "", above: tuple[str, ...] = ()) -> Iterator[str]:
    """Their paths below the folder; a link to a folder above would lead round in circles."""
    real_path = os.path.realpath(folder)
    for entry in _visible_entries(folder):
        if not entry.is_dir():
            yield within + entry.name
        elif os.path.realpath(entry.path) not in (real_path, *above):
            yield from _walk_files(entry.path, f"{within}{entry.name}/", (real_path, *above))

"""The choices of conf/ and of folders of the user's own, each with the first comment of its file: the words of --help.
Imports no torch.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

from experiments.system.checkout import ROOT

CONF = ROOT / "conf"
FOLDER = ("--config-dir", "-cd")
INNER = {"by_method", "by_data", "shared"}  # folders of values that are merged in by themselves, not choices


def explain(group: str, *folders: Path) -> str:
    """A group's choices, each with the first comment of its file; then those of folders of the user's own."""
    files = {name: path for folder in (CONF, *folders) for name, path in choices(folder / group)}
    width = max(15, *map(len, files))
    rows = [f"    {name:<{width}}  {headline(path)}".rstrip() for name, path in files.items()]
    return "\n".join([f"{group}=", *rows, ""])


def choices(folder: Path) -> Iterator[tuple[str, Path]]:
    """By name."""
    for path in sorted(folder.rglob("*.yaml")):
        if not INNER & set(path.parts):
            yield path.relative_to(folder).with_suffix("").as_posix(), path


def headline(path: Path) -> str:
    """The first comment of a file, on a line of its own or behind a value."""
    comments = (line.partition("#")[2].strip() for line in path.read_text().splitlines() if "#" in line)
    return next((line for line in comments if not line.startswith("@package")), "")


def config_folders(arguments: list[str]) -> list[Path]:
    """What `--config-dir` among the arguments names. Exits in words for a folder that is not there."""
    words = zip(arguments, [*arguments[1:], ""], strict=True)
    values = [following if word in FOLDER else word.partition("=")[2] for word, following in words if is_folder(word)]
    folders = [Path(value) for value in values if value]
    for folder in folders:
        if not folder.is_dir():
            sys.exit(f"--config-dir={folder} is no folder: name the one that holds method/mine.yaml or its like")
    return folders


def is_folder(word: str) -> bool:
    return word.partition("=")[0] in FOLDER

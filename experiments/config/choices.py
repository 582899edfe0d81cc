"""The choices of conf/, each with the first comment of its file: the words of --help. Imports no torch."""

from collections.abc import Iterator
from pathlib import Path

from experiments.system.checkout import ROOT

CONF = ROOT / "conf"
INNER = {"by_method", "by_data"}  # folders of values that are merged in by themselves, not choices


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

"""The choices of conf/, each with the first comment of its file: the words of --help. Imports no torch."""

from pathlib import Path

from experiments.system.checkout import ROOT

CONF = ROOT / "conf"
INNER = {"by_method", "by_data"}  # folders of values that are merged in by themselves, not choices


def explain(group: str) -> str:
    """A group's choices, each with the first comment of its file."""
    folder = CONF / group
    files = sorted(path for path in folder.rglob("*.yaml") if not INNER & set(path.parts))
    names = [path.relative_to(folder).with_suffix("").as_posix() for path in files]
    width = max(15, *map(len, names))
    rows = [f"    {name:<{width}}  {headline(path)}".rstrip() for name, path in zip(names, files, strict=True)]
    return "\n".join([f"{group}=", *rows, ""])


def headline(path: Path) -> str:
    """The first comment of a file, on a line of its own or behind a value."""
    comments = (line.partition("#")[2].strip() for line in path.read_text().splitlines() if "#" in line)
    return next((line for line in comments if not line.startswith("@package")), "")

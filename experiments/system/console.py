"""What the user sees while a run goes on. Imports no torch."""

import os

from rich.console import Console
from rich.text import Text

from experiments.system import environment
from experiments.system.redact import redact

console = Console(highlight=False, soft_wrap=True, quiet=not environment.is_first(os.environ))  # one voice


def log(line: str, style: str = "") -> None:
    """As it is: names and paths are other people's words, no markup and no orders to the terminal."""
    console.print(Text(printable(redact(line)), style))


def printable(line: str) -> str:
    return "".join(mark if mark.isprintable() or mark == "\n" else "\N{REPLACEMENT CHARACTER}" for mark in line)

"""What the user sees while a run goes on. Imports no torch."""

import os

from rich.console import Console
from rich.text import Text

from experiments.system import environment
from experiments.system.redact import redact

IN_A_LOG = 120  # columns of a table, where there is no terminal to say
console = Console(highlight=False, soft_wrap=True, quiet=not environment.is_local_rank_zero(os.environ))  # one voice
if not console.is_terminal and "COLUMNS" not in os.environ:
    console.width = IN_A_LOG


def log(line: str, style: str = "") -> None:
    """As it is: names and paths are other people's words, no markup and no orders to the terminal."""
    console.print(Text(replace_unprintable(redact(line)), style))


def replace_unprintable(line: str) -> str:
    return "".join(
        character if character.isprintable() or character == "\n" else "\N{REPLACEMENT CHARACTER}" for character in line
    )

"""What the user sees while a run goes on. Imports no torch."""

import os

from rich.console import Console

console = Console(highlight=False, soft_wrap=True, quiet=os.environ.get("LOCAL_RANK", "0") != "0")  # one voice


def say(line: str) -> None:
    console.print(line)

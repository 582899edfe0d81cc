"""What the user sees while a run goes on. Imports no torch."""

from rich.console import Console

console = Console(highlight=False, soft_wrap=True)


def say(line: str) -> None:
    console.print(line)

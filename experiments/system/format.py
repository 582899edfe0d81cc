"""Numbers for the eye. Imports no torch."""

BUDGETS = {
    "layer": "of each layer",
    "filters": "of filters",
    "macs": "of MACs",
    "params": "of parameters",
    "latency": "of the time",
}
PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def percent(share: float, digits: int = 2) -> str:
    return f"{100 * share:.{digits}f} %"


def share_asked(ratio: float, budget: str, ms: float | None = None) -> str:
    """What a ratio is a share of, or the milliseconds in its place; of a user's own budget its name."""
    return f"{100 * ratio:g} % {BUDGETS.get(budget, budget)}" if ms is None else f"{ms:g} ms"


def si(number: float) -> str:
    """Three figures and a prefix, ready for a unit behind it."""
    power = 0
    while abs(number) >= 999.5 and power < len(PREFIXES) - 1:
        number, power = number / 1000, power + 1
    return f"{number:.3g} {PREFIXES[power]}"


def clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def cut(before: float, after: float) -> str:
    if before == after:
        return "same"
    return f"{100 * (after / before - 1):+.1f} %  {before / after:5.2f}x"


def safe_file_name(name: str) -> str:
    """One path component, whatever a user writes: no separators, no leading dot, at most 100 characters."""
    safe = "".join(
        character if character.isascii() and (character.isalnum() or character in "-_.+") else "_" for character in name
    )
    return safe.lstrip(".")[:100] or "run"

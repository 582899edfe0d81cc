"""Values with sweeps in them, of an override or within its {...} and [...]: found, and written with a number or a
choice in their place. Imports no torch.
"""

import re
from collections.abc import Iterator, Mapping

from hydra.core.override_parser.types import Override, Quote, QuotedString, Sweep

PLAIN = re.compile(r"[A-Za-z_][\w./-]*")  # text that Hydra's grammar takes without quotes


def find_sweeps(value: object, path: str) -> Iterator[tuple[str, Sweep]]:
    """Each with its dotted path."""
    if isinstance(value, Sweep):
        yield path, value
    for name, inner in parts(value):
        yield from find_sweeps(inner, f"{path}.{name}")


def parts(value: object) -> list[tuple[object, object]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def write_override(override: Override, point: Mapping[str, object]) -> str:
    """In Hydra's grammar, with the values of `point` in place of the sweeps of these paths."""
    return f"{override.get_key_element()}={write(override.value(), override.key_or_group, point)}"


def write(value: object, path: str = "", point: Mapping[str, object] | None = None) -> str:
    if isinstance(value, Sweep):
        chosen = (point or {})[path]
        return chosen if isinstance(chosen, str) else write(chosen)
    inner = [(name, write(each, f"{path}.{name}", point)) for name, each in parts(value)]
    if isinstance(value, dict):
        return "{" + ",".join(f"{name}:{text}" for name, text in inner) + "}"
    return f"[{','.join(text for _, text in inner)}]" if isinstance(value, list) else write_scalar(value)


def write_scalar(value: object) -> str:
    """Floats by four figures: a name is to be read."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.4g}"
        case QuotedString():
            return value.with_quotes()
        case str() if not PLAIN.fullmatch(value):
            return QuotedString(value, Quote.double).with_quotes()
    return str(value)

"""What messages call a value that the user has set: the argument in Python, or the key of a program that says so."""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

PYTHON = {"table": "layer"}  # the public functions take the table of a budget where they take its ratio
_keys: ContextVar[Mapping[str, str]] = ContextVar("keys", default=PYTHON)


def key(argument: str) -> str:
    """The name by which the user knows an argument of this library."""
    return _keys.get().get(argument, argument)


def did_you_mean(value: object, known: Iterable[str]) -> str:
    """How a message on a name that nothing has ends: with the nearest of those known, if one is near."""
    near = difflib.get_close_matches(str(value), list(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""


@contextmanager
def name_by_keys(keys: Mapping[str, str]) -> Iterator[None]:
    """For a while messages name these keys of a program in place of the arguments that they set."""
    token = _keys.set(keys)
    try:
        yield
    finally:
        _keys.reset(token)

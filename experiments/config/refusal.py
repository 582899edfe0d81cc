"""How a run says no: in one line, before anything is trained or written. Imports no torch."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from hydra.errors import InstantiationException

from experiments.config.keys import KEYS
from experiments.system.console import replace_unprintable
from experiments.system.redact import redact
from pruning.arguments import name_by_keys

NAMELESS = (TypeError, LookupError, AttributeError)  # whose words do not say which class was called


EXIT_CODE = 2  # the same command would be refused again: a scheduler need not try


class Refusal(Exception):  # noqa: N818 (no error of the program: the word says what it is)
    """A request that cannot be met, in one line: value, rule, remedy. Raised before anything is trained or written."""


@contextmanager
def refusals(kinds: tuple[type[Exception], ...] = (ValueError, OSError)) -> Iterator[None]:
    """Turns what a bad value raises into a Refusal; anything else is a fault of ours and keeps its traceback.

    What the library says within names keys of the command line.
    """
    try:
        with name_by_keys(KEYS):
            yield
    except InstantiationException as error:
        cause = root_cause(error)
        raise Refusal(error_message(error if isinstance(cause, NAMELESS) else cause)) from error
    except kinds as error:
        raise Refusal(error_message(error)) from error


def exit_refused(words: str) -> NoReturn:
    if words:
        sys.stderr.write(f"{words}\n")
    refused = SystemExit(words)
    refused.code = EXIT_CODE
    raise refused


def root_cause(error: InstantiationException) -> BaseException:
    """Hydra wraps what a constructor raised, once for each nested `_target_`: its own words are to be read."""
    cause: BaseException = error
    while isinstance(cause, InstantiationException) and cause.__cause__ is not None:
        cause = cause.__cause__
    return cause


def error_message(error: BaseException) -> str:
    return single_line(str(error)) or type(error).__name__


def single_line(text: str) -> str:
    """On one line, without secrets and without orders to the terminal."""
    return replace_unprintable(redact(" ".join(text.split())))

"""Around a run: the words of --help, overrides that Hydra cannot read, and how a run says no. Imports no torch."""

import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException, InstantiationException
from omegaconf import DictConfig, OmegaConf

from experiments import preemption
from experiments.redact import hidden
from experiments.terminal import printable
from pruning.durable import UnwritableError

INNER = {"by_method", "by_data"}  # folders of values that are merged in by themselves, not choices
CONF = Path(__file__).parent.parent / "conf"


class Refusal(Exception):  # noqa: N818 (no error of the program: the word says what it is)
    """A request that cannot be met, in one line: value, rule, remedy. Raised before anything is trained or written."""


@contextmanager
def refusals(kinds: tuple[type[Exception], ...] = (ValueError, OSError)) -> Iterator[None]:
    """Turns what a bad value raises into a Refusal; anything else is a fault of ours and keeps its traceback."""
    try:
        yield
    except InstantiationException as error:
        raise Refusal(one_line(reason(error))) from error
    except kinds as error:
        raise Refusal(one_line(error)) from error


def reason(error: InstantiationException) -> BaseException:
    """Hydra wraps what a constructor raised, once for each nested `_target_`: its own words are to be read."""
    cause: BaseException = error
    while isinstance(cause, InstantiationException) and cause.__cause__ is not None:
        cause = cause.__cause__
    return cause


def one_line(error: BaseException) -> str:
    return words(str(error)) or type(error).__name__


def words(text: str) -> str:
    """On one line, without secrets and without orders to the terminal."""
    return printable(hidden(" ".join(text.split())))


def check_quotes(arguments: list[str]) -> None:
    """A path with `=`, `(` or an umlaut needs quotes within Hydra's grammar, and its own message does not say so."""
    parser = OverridesParser.create()
    for argument in arguments:
        key, _, value = argument.partition("=")
        plain = value.isascii() and not any(mark in value for mark in "=()")
        if argument.startswith("-") or plain or value[0] in "'\"[{":
            continue
        try:
            parser.parse_override(argument)
        except HydraException:
            marks = "'=', '(', ')' or letters beyond a to z"
            sys.exit(hidden(f"{argument}: a value with {marks} needs two pairs of quotes: '{key}=\"{value}\"'"))


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


def register() -> None:
    OmegaConf.register_new_resolver("explain", explain, replace=True)
    # Our launchers' files have the plugin's names, and its schema checks them: wanted, and no news for the user.
    warnings.filterwarnings("ignore", r"\s*'hydra/launcher/submitit_\w+' is validated against")
    # torch and wandb keep folders until the interpreter ends; with PYTHONWARNINGS=error that would be a traceback.
    warnings.filterwarnings("ignore", "Implicitly cleaning up", ResourceWarning)


def answer(run: Callable[[DictConfig], object], config: DictConfig) -> None:
    """One run and its exit code: 0 when it is complete, 143 when it was asked to leave, else 1 with the reason."""
    preemption.listen()
    try:
        run(config)
    except (Refusal, FloatingPointError, UnwritableError) as error:
        sys.exit(one_line(error))
    except preemption.Preempted as left:
        print(left, file=sys.stderr)
        sys.exit(preemption.EXIT_CODE)
    except KeyboardInterrupt:
        sys.exit(preemption.advice("interrupted"))
    except SystemExit as left:
        interrupted = preemption.by_keyboard(left)
        sys.exit(preemption.advice("interrupted") if interrupted else words(preemption.exit_reason(left)))

"""The door: overrides that Hydra cannot read, and a run's exit code. Imports no torch."""

import sys
from collections.abc import Callable

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig

from experiments.config.refusal import Refusal, error_message, exit_refused, single_line
from experiments.system import preemption
from experiments.system.redact import redact
from pruning.files.durable import UnwritableError


def check_quotes(arguments: list[str]) -> None:
    """A path with `=`, `(` or an umlaut needs quotes within Hydra's grammar, and its own message does not say so."""
    parser = OverridesParser.create()
    for argument in arguments:
        key, _, value = argument.partition("=")
        plain = value.isascii() and not any(character in value for character in "=()")
        if argument.startswith("-") or plain or value[0] in "'\"[{":
            continue
        try:
            parser.parse_override(argument)
        except HydraException:
            marks = "'=', '(', ')' or letters beyond a to z"
            sys.exit(redact(f"{argument}: a value with {marks} needs two pairs of quotes: '{key}=\"{value}\"'"))


def run_and_exit(run: Callable[[DictConfig], object], config: DictConfig) -> None:
    """One run and its exit code: 0 when it is complete, 143 when it was asked to leave, 2 when it was refused, else 1;
    with the reason."""
    preemption.install_handlers()
    try:
        run(config)
    except Refusal as error:
        exit_refused(error_message(error))
    except (FloatingPointError, UnwritableError) as error:
        sys.exit(error_message(error))
    except preemption.Preempted as left:
        print(left, file=sys.stderr)
        sys.exit(preemption.EXIT_CODE)
    except KeyboardInterrupt:
        sys.exit(preemption.add_remedy("interrupted"))
    except SystemExit as left:
        interrupted = preemption.is_keyboard_interrupt(left)
        sys.exit(preemption.add_remedy("interrupted") if interrupted else single_line(preemption.exit_reason(left)))

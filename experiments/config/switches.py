"""What Hydra takes on a command line beside overrides: what this program takes of it, and explains. No torch."""

import argparse
import sys

from experiments.system import checkout
from experiments.system.redact import redact

FOREIGN = {"config_path": "--config-path", "config_name": "--config-name", "experimental_rerun": "--experimental-rerun"}
OF_A_RUN = {"run", "config_dir", "overrides"}


def parse(arguments: list[str]) -> argparse.Namespace:
    """Exits in words for what is no switch of Hydra's and no override, and for another program's config."""
    options, unknown = parser().parse_known_args(arguments)
    if unknown := [*unknown, *(word for word in options.overrides if "=" not in word and word[:1] != "~")]:
        sys.exit(redact(explain_unknown(unknown[0])))
    for name, flag in FOREIGN.items():
        if getattr(options, name) is not None:
            sys.exit(f"{flag} takes another program's config: add files of your own by --config-dir=FOLDER")
    return options


def leave_a_run(options: argparse.Namespace) -> bool:
    """Whether they ask for nothing but a run: no sweep, no help, no config to be shown."""
    return {name for name, value in vars(options).items() if value} <= OF_A_RUN


def parser() -> argparse.ArgumentParser:
    """Takes what Hydra's own takes, its abbreviations too."""
    result = argparse.ArgumentParser(add_help=False)
    for flags in ("--help -h", "--hydra-help", "--version", "--resolve", "--run -r", "--multirun -m"):
        result.add_argument(*flags.split(), action="store_true")
    result.add_argument("--shell-completion", "-sc", action="store_true")
    files = ("--config-path -cp", "--config-name -cn", "--config-dir -cd", "--experimental-rerun")
    for flags in ("--cfg -c", "--package -p", *files):
        result.add_argument(*flags.split())
    result.add_argument("--info", "-i", nargs="?", const="all")
    result.add_argument("overrides", nargs="*")
    return result


def explain_unknown(argument: str) -> str:
    """`wandb sweep` passes --key=value unless it is asked not to; Hydra takes one row of keys."""
    if "=" not in argument and argument[:1] != "-":
        return f"{argument}: values are given as ratio=0.5, without spaces; {checkout.command()} --help shows them"
    if argument[:1] != "-":
        return f"{argument}: a switch stands between the keys: put -m, --config-dir and the like before all of them"
    key, _, value = argument.lstrip("-").partition("=")
    return (
        f"{argument}: keys have no hyphens here: {key}={value or 'VALUE'}; for `wandb sweep`, end the command of its "
        f"file with ${{args_no_hyphens}} instead of ${{args}}; {checkout.command()} --help shows what there is"
    )

"""What a user asked for himself, beside the choices of conf/: on the command line, in an experiment's file, or by a
`_target_` of his own; and the command that says it again. Imports no torch."""

import os
import shlex
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from experiments.config.choices import CONF
from experiments.config.node import KEY, leaves
from experiments.config.targets import OWN, ROOMS
from experiments.system import checkout
from experiments.system.redact import redact


def is_typed(path: str) -> bool:
    """Whether the command line or the experiment's file gives this value."""
    experiment = HydraConfig.get().runtime.choices.get("experiment")
    of_file = file_values("experiment", experiment) if experiment else {}
    return path in {*dict(leaves(of_file)), *typed_values(HydraConfig.get().overrides.task)}


def unresolved(overrides: object) -> list[str]:
    """A value put in for its ${...} may be a secret, or hold quotes, and then Hydra's error would show parts of it."""
    return OmegaConf.to_container(overrides, resolve=False)  # type: ignore[return-value]


def typed_values(overrides: object) -> dict[str, object]:
    """The values of overrides by their dotted paths, those within {...} too."""
    parsed = OverridesParser.create().parse_overrides(unresolved(overrides))
    return {path: value for override in parsed for path, value in leaves(override.value(), override.key_or_group)}


def replaced_targets(config: DictConfig) -> dict[str, str]:
    """Where something else runs than the choice's file says, what runs instead: a record must not go by that name."""
    used = {group: config[group].get(KEY) for group in ROOMS if isinstance(config[group], DictConfig)}
    declared = {group: target_of_choice(group, str(config.choice[group])) for group in used}
    return {
        group: target
        for group, target in used.items()
        if declared[group] is not None and target not in (None, declared[group])
    }


def target_of_choice(group: str, choice: str) -> str | None:
    """The `_target_` of a choice's file, or of the choices that it builds upon."""
    values = file_values(group, choice)
    if KEY in values:
        return str(values[KEY])
    defaults = values.get("defaults", [])
    assert isinstance(defaults, list)  # Hydra has read them
    bases = [base.partition("@")[0] for base in defaults if isinstance(base, str) and base != "_self_"]
    return next((inherited for base in reversed(bases) if (inherited := target_of_choice(group, base))), None)


def file_values(group: str, choice: str) -> dict[str, object]:
    """As they stand in the file, ours first; nothing where there is none."""
    paths = [folder / group / f"{choice}.yaml" for folder in (CONF, *config_folders())]
    file = next((path for path in paths if path.is_file()), None)
    return OmegaConf.to_container(OmegaConf.load(file)) if file else {}  # type: ignore[return-value]


def config_folders(*providers: str) -> list[Path]:
    """Folders of configs, as Hydra searches them."""
    sources = [source for source in HydraConfig.get().runtime.config_sources if source.schema == "file"]
    return [Path(source.path) for source in sources if not providers or source.provider in providers]


def command() -> str:
    """What to type for this very job, in a sweep too."""
    return shell_command([*hydra_switches(), *unresolved(HydraConfig.get().overrides.task)])


def shell_command(arguments: list[str]) -> str:
    """This program's, with the packages of the user's own and where they are found, for a shell."""
    words = [*checkout.command().split(), *redact(list(arguments))]
    assignments = [f"{name}={shlex.quote(redact(value))}" for name, value in own_environment().items()]
    return " ".join([*assignments, shlex.join(words)])


def own_environment() -> dict[str, str]:
    """By what Python finds the classes of the user's own; nothing where he has none."""
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    found = {
        OWN: os.environ.get(OWN, ""),
        "PYTHONPATH": os.pathsep.join(folder for folder in folders if folder not in ("", str(checkout.ROOT))),
    }
    return {name: value for name, value in found.items() if value} if found[OWN] else {}


def hydra_switches() -> list[str]:
    """Hydra's own, by which other configs than ours were found."""
    name = HydraConfig.get().job.config_name
    switches = [f"--config-path={path}" for path in config_folders("main") if path != CONF]
    switches += [f"--config-name={name}"] if name not in (None, "config") else []
    return switches + [f"--config-dir={path}" for path in config_folders("command-line")]


def overrides(command: str) -> list[str]:
    """Of a command that was recorded."""
    words = shlex.split(command)
    first = words.index("python") + 2 if "python" in words else words.index("cnn-pruning") + 1
    return [word for word in words[first:] if not word.startswith("--")]

"""What a user asked for himself, beside the choices of conf/: on the command line, in an experiment's file, or by a
`_target_` of his own; and the command that says it again. Imports no torch."""

import os
import shlex
import sys
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from experiments.config.choices import CONF
from experiments.config.schema import leaves
from experiments.config.targets import KEY, OWN
from experiments.system.redact import redact

NAMED = ("method", "model", "data", "budget", "objective")


def is_typed(path: str) -> bool:
    """Whether the command line or the experiment's file gives this value."""
    experiment = HydraConfig.get().runtime.choices.get("experiment")
    of_file = file_values("experiment", experiment) if experiment else {}
    return path in {*dict(leaves(of_file)), *typed_values(HydraConfig.get().overrides.task)}


def as_typed(overrides: Any) -> list[str]:
    """A value put in for its ${...} may be a secret, or hold quotes, and then Hydra's error would show parts of it."""
    return OmegaConf.to_container(overrides, resolve=False)  # type: ignore[return-value]


def typed_values(overrides: Any) -> dict[str, Any]:
    """The values of overrides by their dotted paths, those within {...} too."""
    parsed = OverridesParser.create().parse_overrides(as_typed(overrides))
    return {path: value for each in parsed for path, value in leaves(each.value(), each.key_or_group)}


def own_targets(config: DictConfig) -> dict[str, str]:
    """Where something else runs than the choice's file says, what runs instead: a record must not go by that name."""
    run = {group: config[group].get(KEY) for group in NAMED}
    said = {group: target(group, str(config.choice[group])) for group in NAMED}
    return {group: run[group] for group in NAMED if said[group] is not None and run[group] not in (None, said[group])}


def target(group: str, choice: str) -> str | None:
    """The `_target_` of a choice's file, or of the choices that it builds upon."""
    values = file_values(group, choice)
    if KEY in values:
        return str(values[KEY])
    above = [each for each in values.get("defaults", ()) if isinstance(each, str) and each != "_self_"]
    return next((found for each in reversed(above) if (found := target(group, each))), None)


def file_values(group: str, choice: str) -> dict[str, Any]:
    """As they stand in the file, ours first; nothing where there is none."""
    paths = [place / group / f"{choice}.yaml" for place in (CONF, *places())]
    found = next((path for path in paths if path.is_file()), None)
    return OmegaConf.to_container(OmegaConf.load(found)) if found else {}  # type: ignore[return-value]


def places(*providers: str) -> list[Path]:
    """Folders of configs, as Hydra searches them."""
    sources = [each for each in HydraConfig.get().runtime.config_sources if each.schema == "file"]
    return [Path(each.path) for each in sources if not providers or each.provider in providers]


def command() -> str:
    """What to type for this very job, in a sweep too."""
    return shell_command(["python", Path(sys.argv[0]).name, *switches(), *as_typed(HydraConfig.get().overrides.task)])


def shell_command(words: list[str]) -> str:
    """With the packages of the user's own, for a shell."""
    own = os.environ.get(OWN)
    return (f"{OWN}={shlex.quote(own)} " if own else "") + shlex.join(redact(list(words)))


def switches() -> list[str]:
    """Hydra's own, by which other configs than ours were found."""
    name = HydraConfig.get().job.config_name
    found = [f"--config-path={path}" for path in places("main") if path != CONF]
    found += [f"--config-name={name}"] if name not in (None, "config") else []
    return found + [f"--config-dir={path}" for path in places("command-line")]


def overrides(command: str) -> list[str]:
    """Of a command that was recorded."""
    words = shlex.split(command)
    return [each for each in words[words.index("python") + 2 :] if not each.startswith("--")]

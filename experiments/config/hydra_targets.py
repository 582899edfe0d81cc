"""What Hydra itself acts on, judged before it acts: under hydra.* a file could call anything, start a shell on a
cluster, set variables, or have its folders made elsewhere. Each composition that a command leads to is looked at.
No torch.
"""

import argparse
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import product
from pathlib import Path
from typing import NoReturn

import hydra.conf
from hydra import compose
from hydra.conf import HydraConf
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob, Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from experiments.config import switches, targets, typed_overrides
from experiments.config.choices import CONF, config_folders
from experiments.config.hydra_versions import open_configs
from experiments.config.node import KEY, leaves
from experiments.config.refusal import error_message
from experiments.config.suggestions import refuse_with_suggestions
from experiments.config.swept import find_sweeps
from experiments.system.redact import redact, refuse_secret

CALLED = {  # by Hydra, with the place of each
    "hydra.launcher": r"hydra_plugins\.cnn_pruning_launchers\.(Local|Slurm|Ray)Launcher",
    "hydra.sweeper": r"hydra_plugins\.cnn_pruning_sweepers\.(Grid|Search)",
}
TYPED = (  # as in our own file
    *("run", "sweep", "output_subdir", "job.chdir", "job.env_set", "job.env_copy", "callbacks"),
    "sweeper.storage",
)
COMMANDS = ("setup", "additional_parameters", "address", "init", "options")  # of a launcher
PATHS = ("folder", "hydra.run.dir", "hydra.sweep.dir", "hydra.sweep.subdir")  # made before a run begins
LOGGING = ("job_logging", "hydra_logging")
SEARCH = "hydra.searchpath"


def check(arguments: list[str]) -> DictConfig | None:
    """Exits in words unless Hydra may act on these arguments. Composes as often as they name choices of files.

    Returns:
        What Hydra will compose, where they ask for one run and nothing beside it.
    """
    options = switches.parse(arguments)
    if not (config_folders(arguments) or options.overrides):
        return None
    try:
        for composition in compositions(options.overrides, options.config_dir, options.multirun):
            refuse_composition(composition)
    except (HydraException, OmegaConfBaseException) as error:
        exit_for(error, arguments)
    except (ValueError, RecursionError) as error:
        sys.exit(error_message(error))
    return composition if asks_for_one_run(options, composition) else None


def asks_for_one_run(options: argparse.Namespace, composition: DictConfig) -> bool:
    """And for nothing that Hydra does before it, such as another folder or variables."""
    parsed = OverridesParser.create().parse_overrides(options.overrides)
    plain = not any(each.is_sweep_override() or each.key_or_group.startswith("hydra") for each in parsed)
    return plain and switches.leave_a_run(options) and composition.hydra.mode != RunMode.MULTIRUN


def exit_for(error: Exception, arguments: list[str]) -> NoReturn:
    """By what was probably meant; where that is not known, in Hydra's words."""
    refuse_with_suggestions(arguments)
    sys.stderr.write(redact(f"{error}\n" + (f"{error.__cause__}\n" if error.__cause__ else "")))
    sys.exit(1)


def compositions(overrides: list[str], folder: str | None, sweeps: bool) -> Iterator[DictConfig]:
    """What Hydra begins with, and each combination of files that a sweep chooses; swept numbers choose no files. Of a
    combination of this program's own files, where no others can be found, the first has told all."""
    GlobalHydra.instance().clear()
    parsed = OverridesParser.create().parse_overrides(overrides)
    added = [f"file://{Path(folder).absolute()}"] if folder else []
    added += [path for override in parsed if override.key_or_group == SEARCH for path in override.value()]  # type: ignore[union-attr]
    chosen = [override for override in parsed if not override.is_sweep_override() and override.key_or_group != SEARCH]
    fixed = [str(override.input_line) for override in chosen]
    fixed += [f"{SEARCH}={added}"] if added else []
    with open_configs():
        first = compose("config", fixed, return_hydra_config=True)
        yield first
        if not (sweeps or first.hydra.mode == RunMode.MULTIRUN):
            return
        folders = [CONF, *(Path(path.removeprefix("file://")) for path in added)]
        typed_keys = {override.key_or_group for override in parsed}  # goes before what a file sweeps over
        swept = [override for override in parsed if override.is_sweep_override()]
        swept += [override for override in sweep_of_file(first) if override.key_or_group not in typed_keys]
        for combination in product(*(swept_choices(override, folders) for override in swept)) if swept else ():
            combined = [*fixed, *filter(None, combination)]
            if not all(map(is_our_file, combined)):
                yield compose("config", combined, return_hydra_config=True)


def is_our_file(override: str) -> bool:
    """Whether it leads to no file but this program's: by a choice, or by a place where others are searched for."""
    key, _, value = override.lstrip("+/").partition("=")
    folder = CONF / key.partition("@")[0]
    file = folder / f"{value}.yaml"
    chosen = file.is_file() and folder in file.parents and ".." not in file.parts
    return key != SEARCH and (chosen or not folder.is_dir())


def sweep_of_file(config: DictConfig) -> list[Override]:
    """What a file sweeps over: hydra.sweeper.params."""
    params: DictConfig = config.hydra.sweeper.get("params") or OmegaConf.create()
    return [parse_parameter(params, str(name)) for name in params]


def parse_parameter(params: DictConfig, name: str) -> Override:
    """Hydra's own error would show parts of a secret that stands behind a ${...}."""
    try:
        return OverridesParser.create().parse_override(f"{name}={params[name]}")
    except HydraException:
        value = OmegaConf.to_container(params, resolve=False)[name]  # type: ignore[call-overload, index]
        raise ValueError(f"hydra.sweeper.params.{name}={value} cannot be read as values to sweep over") from None


def swept_choices(swept: Override, folders: list[Path]) -> list[str]:
    """Each that is of a file; of numbers the first, since they change no file. A sweeper's own draws are numbers."""
    key = f"{'+' if swept.is_add() else ''}{swept.get_key_element().lstrip('+')}"
    value = swept.value()
    if not swept.is_sweep_override():
        return ["" if any(find_sweeps(value, key)) else str(swept.input_line)]
    if isinstance(value, Glob):
        names = {file.stem for folder in folders for file in (folder / swept.key_or_group).glob("*.yaml")}
        return [f"{key}={name}" for name in value.filter(sorted(names))]
    if not swept.is_discrete_sweep():
        return [""]
    choices = [f"{key}={choice}" for choice in swept.sweep_string_iterator()]
    return choices if any((folder / swept.key_or_group).is_dir() for folder in folders) else choices[:1]


def refuse_composition(composition: DictConfig) -> None:
    """Raises ValueError for the first value of a composition that may not be acted on."""
    previous = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(composition)  # for ${hydra:...}
    try:
        values = dict(resolved_leaves(composition))
    finally:
        HydraConfig.instance().cfg = previous
    for path, value in values.items():
        if KEY in path.split("."):
            refuse_target(path, value)
    for key in PATHS:
        refuse_secret(key, str(values.get(key)))
    raw = dict(leaves(OmegaConf.to_container(composition.hydra, resolve=False), "hydra"))
    typed_values = typed_overrides.typed_values(composition.hydra.overrides.hydra)
    refuse_untyped(raw, typed_values, chosen(composition, "launcher"))
    for part in LOGGING:
        refuse_logging(part, composition)


def chosen(composition: DictConfig, part: str) -> str:
    return str(composition.hydra.runtime.choices.get(f"hydra/{part}"))


def resolved_leaves(node: DictConfig | ListConfig, path: str = "") -> Iterator[tuple[str, object]]:
    """Every scalar as it will be read: a whole node may stand behind an interpolation."""
    keys: Iterable[object] = node if isinstance(node, DictConfig) else range(len(node))
    for key in keys:
        node_path = f"{path}.{key}" if path else str(key)
        try:
            value: object = node[key]  # type: ignore[index]
        except OmegaConfBaseException:  # known at run time only
            value = None
        if isinstance(value, DictConfig | ListConfig):
            yield from resolved_leaves(value, node_path)
        else:
            yield node_path, value


def refuse_target(path: str, target: object) -> None:
    node_path = path.rpartition(".")[0]
    if not path.startswith("hydra."):
        targets.refuse_place(path, target)
    elif node_path not in CALLED or not re.fullmatch(CALLED[node_path], str(target)):
        raise ValueError(f"{path}={target}: only this program's own launchers and sweepers may be called here")


def refuse_untyped(values: dict[str, object], typed: dict[str, object], launcher: str) -> None:
    """Where files are written, which variables are set and what a cluster runs is the user's to type."""
    shipped = shipped_values(launcher)
    for path, value in values.items():
        if path.startswith("hydra.launcher.") and len(str(value).splitlines()) > 1:
            raise ValueError(f"{path}: a launcher's values are single lines, got {value!r}")
        guarded = [f"hydra.{key}" for key in TYPED] + [f"hydra.launcher.{key}" for key in COMMANDS]
        if not any(f"{path}.".startswith(f"{key}.") for key in guarded) or value in (None, {}, []):
            continue
        if shipped.get(path) != value and typed.get(path) != value:
            raise ValueError(f"{path}={value} stands in a file: type it if you want it, a config may not set it")


@cache
def shipped_values(launcher_name: str) -> dict[str, object]:
    """As Hydra and our own files have them."""
    launcher = CONF / "hydra" / "launcher" / f"{launcher_name}.yaml"
    parts = [OmegaConf.structured(HydraConf), OmegaConf.load(CONF / "config.yaml").hydra]
    values = OmegaConf.to_container(OmegaConf.unsafe_merge(*parts), resolve=False)
    extra = OmegaConf.to_container(OmegaConf.load(launcher)) if launcher.is_file() else {}
    return {**dict(leaves(values, "hydra")), **dict(leaves(extra, "hydra.launcher"))}


def refuse_logging(part: str, composition: DictConfig) -> None:
    """Python's logging calls what its configuration names."""
    path = Path(hydra.conf.__file__).parent / "hydra" / part / f"{chosen(composition, part)}.yaml"
    raw = OmegaConf.to_container(composition.hydra[part], resolve=False)
    if not path.is_file() or OmegaConf.to_container(OmegaConf.load(path)) != raw:
        raise ValueError(
            f"hydra.{part} is changed by a file: only Hydra's own hydra/{part}=none, default, ... are taken"
        )

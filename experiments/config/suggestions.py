"""What was probably meant by a name that does not exist, or by a value of the wrong kind. Imports no torch."""

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Glob
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, ValidationError
from omegaconf.errors import OmegaConfBaseException

from experiments.config.choices import CONF, choices, config_folders
from experiments.config.hydra_versions import open_configs
from experiments.config.node import KEY, leaves
from experiments.config.refusal import exit_refused
from experiments.config.schema import register
from experiments.config.typed import KINDS
from experiments.system import checkout
from experiments.system.redact import redact

TYPED = (float, int, bool)  # any text is a text
MAX_SUGGESTIONS = 3  # names offered
RENAMED = {  # of earlier versions
    "method.steps": "it is called method.levels now",
    "method=fcf_ours": "it is called method=gradual now",
    "budget=global": "it is budget=filters allocation=own now (and allocation=l1 budget.floor=0.1 budget.ceiling=0.9 "
    "ranks by mean |W| whatever the method scores, as it did)",
    # of other launchers for Hydra
    "hydra/launcher=joblib": "hydra.launcher.n_jobs=2 runs two jobs at once",
    "hydra/launcher=submitit_slurm": "it is hydra/launcher=slurm here",
    "hydra.launcher.tasks_per_node": "trainer.devices=2 trainer.strategy=ddp makes two processes of a job",
    "hydra.launcher.nodes": "a job takes one node",
    "hydra.launcher.max_num_timeout": "it is hydra.launcher.max_requeues here",
}
OURS_IN_HYDRA = re.compile(r"hydra(/(launcher|sweeper)|\.(launcher|sweeper)\.\w+)")


def suggestions_for(arguments: list[str]) -> list[str]:
    """One line for each override of a key or a choice that does not exist, or with a value of the wrong kind."""
    folders = [CONF, *config_folders(arguments)]
    overrides = [word for word in arguments if "=" in word and word[0] not in "-+~" and is_ours(word.partition("=")[0])]
    pairs = [override.partition("=")[::2] for override in overrides]
    groups = {key: value for key, value in pairs if (CONF / key).is_dir()}
    try:
        config = compose_config(groups, folders)
    except (HydraException, OmegaConfBaseException):  # for a file of the user's own, not for what he typed
        return []
    known_keys = sorted(config_keys(config))
    lines = [line for key, value in pairs if key in groups for line in unknown_choices(key, value, folders)]
    lines += [
        f"{key}: no such key; {explain_key(key, known_keys, dict(pairs))}"
        for key in dict(pairs)
        if key not in known_keys
    ]
    return lines + [line for override in overrides for line in mistyped_values(config, override)]


def refuse_with_suggestions(arguments: list[str]) -> None:
    """Exits with a line for each that was probably meant; returns where nothing is known."""
    if lines := suggestions_for(arguments):
        exit_refused(redact("\n".join(lines)))


def is_ours(key: str) -> bool:
    return not key.startswith("hydra") or OURS_IN_HYDRA.fullmatch(key) is not None


def unknown_choices(group: str, value: str, folders: list[Path]) -> Iterator[str]:
    names = [name for folder in folders for name, _ in choices(folder / group)]
    for choice in parsed_values(f"{group}={value}"):
        if choice not in (*names, "null"):
            meant = renamed(f"{group}={choice}") or did_you_mean(choice, names)
            yield f"{group}={choice}: no such choice; {meant}"


def mistyped_values(config: DictConfig, override: str) -> Iterator[str]:
    """Values that the schema refuses, with one that it takes: the default."""
    key = override.partition("=")[0]
    default = None if (CONF / key).is_dir() else OmegaConf.select(config, key, throw_on_resolution_failure=False)
    for text in parsed_values(override) if type(default) in TYPED else ():
        try:
            OmegaConf.update(config, key, None if text == "null" else text)
        except ValidationError:
            shown = str(default).lower() if isinstance(default, bool) else default
            yield f"{key} must be {KINDS[type(default)]}, got {text!r}: for example {key}={shown}"


def parsed_values(override: str) -> list[str]:
    """As Hydra reads them, each one of a sweep; none where it cannot, or where a sweeper draws them."""
    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException:
        return []
    if isinstance(parsed.value(), Glob):  # it names what there is
        return []
    if parsed.is_sweep_override():
        return list(parsed.sweep_string_iterator()) if parsed.is_discrete_sweep() else []
    return [parsed.get_value_string().strip("'\"")]


def explain_key(key: str, known: list[str], typed: Mapping[str, str]) -> str:
    if f"{key.partition('.')[0]}.{KEY}" in typed:
        return f"an argument of a class of your own is added with a plus: +{key}=..."
    return renamed(key) or belongs_to(key, known) or did_you_mean(key, known)


def belongs_to(key: str, known: list[str]) -> str | None:
    """The choices of the key's group that have it, where another is chosen."""
    place, _, name = key.rpartition(".")
    if not any(other.startswith(f"{place}.") for other in known):  # files whose keys stand elsewhere, or none
        return None
    group = place.replace(".", "/")
    owners = [f"{group}={choice}" for choice, path in choices(CONF / group) if name in OmegaConf.load(path)]
    return f"it belongs to {' and '.join(owners)}" if owners else None


def renamed(name: str) -> str | None:
    return RENAMED.get(name)


def did_you_mean(name: str, known: list[str]) -> str:
    """By the whole name, else by its last part: the right word in the wrong place."""
    last_part = name.rpartition(".")[2]
    candidates = nearest(name, known) or [key for key in known if key.endswith(f".{last_part}")][:MAX_SUGGESTIONS]
    if not candidates:
        return f"{checkout.command()} --help shows what there is"
    return f"did you mean {' or '.join(candidates)}?"


def nearest(name: str, known: list[str]) -> list[str]:
    """Names with few other letters, and of those with equally many the nearest number: resnet21 is resnet20."""
    far = {other: (edit_distance(name, other), number_distance(name, other), other) for other in known}
    near = sorted((key for key in known if 3 * far[key][0] < max(len(name), len(key)) + 3), key=far.__getitem__)
    return [key for key in near if far[key][0] <= far[near[0]][0] + 1][:MAX_SUGGESTIONS]


def edit_distance(a: str, b: str) -> int:
    """How many must be changed, added or dropped (Levenshtein)."""
    row = list(range(len(b) + 1))
    for count, letter in enumerate(a, 1):
        previous, row = row, [count]
        for column, other in enumerate(b):
            row.append(min(previous[column] + (letter != other), previous[column + 1] + 1, row[column] + 1))
    return row[-1]


def number_distance(a: str, b: str) -> int:
    """How far their numbers lie apart."""
    pairs = (map(int, re.findall(r"\d{1,9}", name)) for name in (a, b))
    return sum(abs(number - other) for number, other in zip_longest(*pairs, fillvalue=0))


def compose_config(groups: dict[str, str], folders: list[Path]) -> DictConfig:
    """The config of these choices, those that do not exist left out."""
    firsts = {group: next(iter(parsed_values(f"{group}={value}")), "null") for group, value in groups.items()}
    chosen = [f"{group}={value}" for group, value in firsts.items() if exists(group, value, folders)]
    added = [f"file://{folder.absolute()}" for folder in folders if folder != CONF]
    GlobalHydra.instance().clear()
    register()
    with open_configs():
        searched = [f"hydra.searchpath={added}"] if added else []
        return compose("config", [*chosen, *searched], return_hydra_config=True)


def config_keys(config: DictConfig) -> set[str]:
    """Every key of ours, dotted, and the groups themselves."""
    parts = [path.split(".") for path, _ in leaves(OmegaConf.to_container(config))]
    keys = {".".join(part[:length]) for part in parts for length in range(1, len(part) + 1)}
    folders = [path for path in (*CONF.iterdir(), *(CONF / "hydra").iterdir()) if path.is_dir()]
    names = {path.relative_to(CONF).as_posix() for path in folders} - {"hydra"}
    return names | {key for key in keys if is_ours(key) and not (key.startswith("hydra") and key.endswith(KEY))}


def exists(group: str, value: str, folders: list[Path]) -> bool:
    return value != "null" and not any(unknown_choices(group, value, folders))

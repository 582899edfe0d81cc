"""What was probably meant by a name that does not exist, or by a value of the wrong kind. Imports no torch."""

import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, ValidationError

from experiments.config.choices import CONF, INNER
from experiments.config.schema import KINDS, leaves, register

TYPED = (float, int, bool)  # any text is a text
MOST = 3  # names offered


def suggestions_for(arguments: Iterable[str]) -> list[str]:
    """One line for each override of a key or a choice that does not exist, or with a value of the wrong kind."""
    asked = [each for each in arguments if "=" in each and each[0] not in "-+~" and not each.startswith("hydra")]
    pairs = [each.partition("=")[::2] for each in asked]
    groups = {key: value for key, value in pairs if (CONF / key).is_dir()}
    config = composed(groups)
    known = sorted(keys(config))
    lines = [line for key, value in pairs if key in groups for line in strange_choices(key, value)]
    lines += [f"{key}: no such key; {near(key, known)}" for key, _ in pairs if key not in known]
    return lines + [line for each in asked for line in unfit(config, each)]


def strange_choices(group: str, value: str) -> Iterator[str]:
    files = (path.relative_to(CONF / group) for path in (CONF / group).rglob("*.yaml"))
    choices = [path.with_suffix("").as_posix() for path in files if not INNER & set(path.parts)]
    for each in value.split(","):
        if each not in (*choices, "null"):
            yield f"{group}={each}: no such choice; {near(each, choices)}"


def unfit(config: DictConfig, override: str) -> Iterator[str]:
    """Values that the schema refuses, with one that it takes: the default."""
    key = override.partition("=")[0]
    default = None if (CONF / key).is_dir() else OmegaConf.select(config, key, throw_on_resolution_failure=False)
    for each in values(override) if type(default) in TYPED else ():
        try:
            OmegaConf.update(config, key, None if each == "null" else each)
        except ValidationError:
            shown = str(default).lower() if isinstance(default, bool) else default
            yield f"{key} must be {KINDS[type(default)]}, got {each!r}: for example {key}={shown}"


def values(override: str) -> list[str]:
    """As Hydra reads them, each one of a sweep; none where it cannot, or where a sweeper draws them."""
    try:
        parsed = OverridesParser.create().parse_override(override)
    except HydraException:
        return []
    if parsed.is_sweep_override():
        return list(parsed.sweep_string_iterator()) if parsed.is_discrete_sweep() else []
    return [parsed.get_value_string().strip("'\"")]


def near(name: str, known: list[str]) -> str:
    """By the whole name, else by its last part: the right word in the wrong place."""
    end = name.rpartition(".")[2]
    found = nearest(name, known) or [each for each in known if each.endswith(f".{end}")][:MOST]
    return f"did you mean {' or '.join(found)}?" if found else "python run.py --help shows what there is"


def nearest(name: str, known: list[str]) -> list[str]:
    """Names with few other letters, and of those with equally many the nearest number: resnet21 is resnet20."""
    far = {each: (letters(name, each), numbers(name, each), each) for each in known}
    close = sorted((each for each in known if 3 * far[each][0] < max(len(name), len(each)) + 3), key=far.__getitem__)
    return [each for each in close if far[each][0] <= far[close[0]][0] + 1][:MOST]


def letters(a: str, b: str) -> int:
    """How many must be changed, added or dropped (Levenshtein)."""
    row = list(range(len(b) + 1))
    for count, mine in enumerate(a, 1):
        above, row = row, [count]
        for place, theirs in enumerate(b):
            row.append(min(above[place] + (mine != theirs), above[place + 1] + 1, row[place] + 1))
    return row[-1]


def numbers(a: str, b: str) -> int:
    """How far their numbers lie apart."""
    found = (map(int, re.findall(r"\d{1,9}", name)) for name in (a, b))
    return sum(abs(mine - theirs) for mine, theirs in zip_longest(*found, fillvalue=0))


def composed(groups: dict[str, str]) -> DictConfig:
    """The config of these choices, those that do not exist left out."""
    choices = [f"{group}={value.split(',')[0]}" for group, value in groups.items() if composes(group, value)]
    GlobalHydra.instance().clear()
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("config", choices)


def keys(config: DictConfig) -> set[str]:
    """Every key, dotted, and the groups themselves."""
    parts = [path.split(".") for path, _ in leaves(OmegaConf.to_container(config))]
    names = {path.name for path in Path(CONF).iterdir() if path.is_dir()}
    return names | {".".join(part[:length]) for part in parts for length in range(1, len(part) + 1)}


def composes(group: str, value: str) -> bool:
    return value != "null" and not any(strange_choices(group, value))

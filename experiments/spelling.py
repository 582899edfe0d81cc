"""What was probably meant by a name that does not exist. Imports no torch."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf

from experiments.commandline import CONF, INNER
from experiments.schema import leaves, register


def advice(arguments: Iterable[str]) -> list[str]:
    """One line for each override of a key or a choice that does not exist."""
    pairs = [
        each.partition("=")[::2]
        for each in arguments
        if "=" in each and each[0] not in "-+~" and not each.startswith("hydra")
    ]
    groups = {key: value for key, value in pairs if (CONF / key).is_dir()}
    lines = [line for key, value in groups.items() for line in strange_choices(key, value)]
    known = sorted(keys(groups))
    return lines + [f"{key}: no such key; {near(key, known)}" for key, _ in pairs if key not in known]


def strange_choices(group: str, value: str) -> Iterator[str]:
    files = (path.relative_to(CONF / group) for path in (CONF / group).rglob("*.yaml"))
    choices = [path.with_suffix("").as_posix() for path in files if not INNER & set(path.parts)]
    for each in value.split(","):
        if each not in (*choices, "null"):
            yield f"{group}={each}: no such choice; {near(each, choices)}"


def near(name: str, known: list[str]) -> str:
    """By the whole name, else by its last part: the right word in the wrong place."""
    end = name.rpartition(".")[2]
    close = get_close_matches(name, known, n=3, cutoff=0.7)
    found = close or [each for each in known if each.endswith(f".{end}")][:3]
    return f"did you mean {' or '.join(found)}?" if found else "python run.py --help shows what there is"


def keys(groups: dict[str, str]) -> set[str]:
    """Every key, dotted, of the config that these choices compose, and the groups themselves."""
    choices = [f"{group}={value.split(',')[0]}" for group, value in groups.items() if composes(group, value)]
    GlobalHydra.instance().clear()
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        values = OmegaConf.to_container(compose("config", choices))
    parts = [path.split(".") for path, _ in leaves(values)]
    names = {path.name for path in Path(CONF).iterdir() if path.is_dir()}
    return names | {".".join(part[:length]) for part in parts for length in range(1, len(part) + 1)}


def composes(group: str, value: str) -> bool:
    return value != "null" and not any(strange_choices(group, value))

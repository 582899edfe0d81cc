"""Hydra's calls that 1.4 wants to be told more than 1.3 understands. Imports no torch."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

import hydra
import hydra.utils
from hydra.core.config_store import ConfigStore
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from experiments.config.choices import CONF

IS_1_4 = "execution_whitelist" in inspect.signature(hydra.main).parameters
# What a config may call is judged before Hydra acts on it, by targets.py and hydra_targets.py, on 1.3 too
UNCHECKED = getattr(hydra.utils, "UNSAFE_DISABLE_EXECUTION_CHECKS", None)
MAIN: dict[str, object] = {"execution_whitelist": UNCHECKED} if IS_1_4 else {"version_base": "1.3"}
OPENED: dict[str, object] = {} if IS_1_4 else {"version_base": "1.3"}
CALLED: dict[str, object] = {"_execution_whitelist_": UNCHECKED} if IS_1_4 else {}
STORED: dict[str, object] = {"replace": True} if IS_1_4 else {}


def instantiate(values: Mapping[str, object], **arguments: object) -> Any:  # type: ignore[explicit-any]
    """What a class raises comes as Hydra's InstantiationException, as 1.3 has it."""
    try:
        return hydra.utils.instantiate(values, **arguments, **CALLED)
    except InstantiationException:
        raise
    except Exception as error:
        raise InstantiationException(f"Error in call to target '{values['_target_']}': {error!r}") from error


def main(function: Callable[[DictConfig], None]) -> Callable[[], None]:
    return hydra.main(config_path=str(CONF), config_name="config", **MAIN)(function)  # type: ignore[arg-type]


def open_configs() -> AbstractContextManager[None]:
    """Within, hydra.compose knows ours."""
    return hydra.initialize_config_dir(str(CONF), **OPENED)  # type: ignore[arg-type]


def register(name: str, node: type, resolvers: Mapping[str, Callable[..., str]]) -> None:  # type: ignore[explicit-any]
    """A config of Hydra's store, and what ${...:} may call. Again is no mistake."""
    ConfigStore.instance().store(name=name, node=node, **STORED)  # type: ignore[arg-type]
    add = getattr(OmegaConf, "register_resolver" if IS_1_4 else "register_new_resolver")
    for called, resolver in resolvers.items():
        add(called, resolver, replace=True)

"""The one place where what Hydra composed becomes `Settings`: closed where it is left open, and checked."""

from omegaconf import DictConfig, OmegaConf

from experiments.config.schema import Settings
from experiments.config.typed import build
from experiments.config.typed_overrides import replaced_targets
from experiments.system.console import log


def load(config: DictConfig) -> Settings:
    """Raises ValueError for the first value that cannot be: value, rule, remedy. Imports no torch but for `auto`."""
    closed = OmegaConf.merge(config, close(config))  # before interpolations: the name follows
    return build(Settings, OmegaConf.to_container(closed, resolve=True))


def close(config: DictConfig) -> dict[str, object]:
    """What is left open, closed before anything is made of it, so that digest and record have the number.

    A method without a budget removes nothing, whatever ratio is asked: one run of one name, not one for each.
    """
    closed: dict[str, object] = {"choice": replaced_targets(config)}
    if isinstance(config.method, DictConfig) and "budget" not in config.method:
        closed["ratio"] = 0.0
    if isinstance(config.budget, DictConfig) and config.budget.get("round_to") == "auto":
        from experiments.system import hardware

        multiple = hardware.channel_multiple(hardware.device(config.trainer.accelerator))
        closed["budget"] = {"round_to": multiple}
        log(f"budget.round_to={multiple}: what this hardware computes at once")
    return closed

"""The one place where what Hydra composed becomes `Settings`: closed where it is left open, and checked."""

from copy import deepcopy

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf, open_dict

from experiments.config.schema import Settings
from experiments.config.typed import build
from experiments.config.typed_overrides import is_typed, replaced_targets
from experiments.records.record import UNIFORM
from experiments.system.console import log
from experiments.system.format import share_asked

EXPERIMENT = "experiment"  # the program where none is named
AUTO = "auto"
SHORT = ("plan", "sensitivity")  # NAME=true is short for program=NAME


def load(config: DictConfig) -> Settings:
    """Raises ValueError for the first value that cannot be: value, rule, remedy. Imports no torch but for `auto`."""
    closed = OmegaConf.merge(config, close(config))  # before interpolations: the name follows
    return build(Settings, OmegaConf.to_container(closed, resolve=True))


def load_composition(composition: DictConfig) -> Settings:
    return load(begin_job(composition))


def begin_job(composition: DictConfig) -> DictConfig:
    """A job's own config, as Hydra hands it over: without the part `hydra`, which becomes Hydra's current one."""
    HydraConfig.instance().set_config(composition)
    config = deepcopy(composition)  # masked_copy would forget the types
    with open_dict(config):
        del config["hydra"]
    return config


def tell_closed(config: DictConfig, settings: Settings) -> None:
    """What was not typed as a number: the hardware's multiple; for one release, what the ratio is a share of."""
    if isinstance(config.budget, DictConfig) and config.budget.get("round_to") == AUTO:
        log(f"budget.round_to={settings.budget.arguments['round_to']}: what this hardware computes at once")
    chosen = is_typed("budget") or settings.choice.experiment is not None
    cuts = settings.program in ("experiment", "plan") and "budget" in settings.method.arguments
    if cuts and not chosen:
        log(f"{share_asked(settings.ratio, settings.choice.budget)} (until now: of each layer; budget=layer)")


def close(config: DictConfig) -> dict[str, object]:
    """What is left open, closed before anything is made of it, so that digest and record have the number.

    A method without a budget removes nothing, whatever ratio is asked: one run of one name, not one for each.
    """
    choice, budget = dict(replaced_targets(config)), close_budget(config)
    closed: dict[str, object] = {"choice": choice, "program": choose_program(config)}
    if isinstance(config.method, DictConfig) and "budget" not in config.method:
        closed["ratio"] = 0.0
        choice["allocation"] = UNIFORM
    if "ratio" in budget:
        closed["ratio"] = 0.0
    return closed | ({"budget": budget} if budget else {})


def close_budget(config: DictConfig) -> dict[str, object]:
    """The hardware's multiple as a number; milliseconds in place of a ratio."""
    budget = config.budget if isinstance(config.budget, DictConfig) else {}
    closed: dict[str, object] = {}
    if budget.get("ms") is not None:
        if is_typed("ratio"):
            raise ValueError(f"budget.ms={budget['ms']} and ratio={config.ratio} both say how much goes: give one")
        closed["ratio"] = None
    if budget.get("round_to") == AUTO:
        from experiments.system import hardware
        from pruning.deploy.runtimes import channel_multiple

        closed["round_to"] = channel_multiple(hardware.device(config.trainer.accelerator))
    return closed


def choose_program(config: DictConfig) -> object:
    """The one that is named, or that plan=true and sensitivity=true are short for.

    Raises:
        ValueError: they name two.
    """
    short = [name for name in SHORT if config.get(name) is True]
    named = config.get("program")
    if len({*short, *([] if named == EXPERIMENT else [named])}) > 1:
        asked = " ".join([*(f"{name}=true" for name in short), *([] if named == EXPERIMENT else [f"program={named}"])])
        raise ValueError(f"{asked}: a command runs one program; leave the others out")
    return short[0] if short else named

"""Which classes a config may name. Configs travel, and a `_target_` could call anything that Python can import.

Each place takes what belongs there, defined in our own packages; PRUNING_TARGETS=mine:theirs adds packages of yours, of
which only what is defined in them may be called.
"""

import inspect
import os
import re
from collections.abc import Sequence
from importlib import import_module
from pkgutil import iter_modules
from typing import get_type_hints

from hydra.utils import get_object

from experiments.config.node import KEY, Node, leaves, plain
from experiments.config.schema import Settings
from experiments.config.suggestions import nearest
from experiments.config.typed import KINDS, build_node, options_of, refuse_other_kind

OWN = "PRUNING_TARGETS"
FACTS = ("classes", "image_shape", "identity")  # of data: datamodules.foreign asks for them
CALLED_WITH = {"model": ("classes", "image_shape", "seed")}  # beside what the config says
ROOMS = {
    "data": ("datamodules",),
    "model": ("pruning.models",),
    "method": ("pruning.methods",),
    "budget": ("pruning.budget", "pruning.deploy"),
    "allocation": ("pruning.budget",),
    "objective": ("pruning.objectives",),
}
LIBRARIES = {  # others' packages, with what may be called of them: what computes a loss, what only watches
    "objective": ("torch.nn", r"torch\.nn\.[A-Z]\w*Loss", "torch.nn's losses"),
    "callbacks": (
        "lightning.pytorch.callbacks",
        r"lightning\.pytorch\.callbacks\.(LearningRateMonitor|DeviceStatsMonitor)",
        "lightning.pytorch.callbacks' LearningRateMonitor and DeviceStatsMonitor",
    ),
    "loggers": ("lightning.pytorch.loggers", r"lightning\.pytorch\.loggers\.[A-Z]\w*Logger", "Lightning's loggers"),
}
LISTED = r"(?:trainer\.(callbacks)|tracking\.(loggers))\.\d+"  # nodes that stand in a list, and its name


def check_nodes(settings: Settings) -> None:
    """Raises ValueError for the first class that may not be called, before any is, and then for the first that does not
    take what it is called with."""
    nodes = {name: getattr(settings, name) for name in ROOMS}
    nodes |= {f"trainer.callbacks.{number}": node for number, node in enumerate(settings.trainer.callbacks)}
    nodes |= {f"tracking.loggers.{number}": node for number, node in enumerate(settings.tracking.loggers)}
    for name, node in nodes.items():
        refuse_foreign(name, node)
    for name, node in nodes.items():
        refuse_misfit(name, node)


def refuse_foreign(path: str, node: Node) -> None:
    for leaf_path, value in leaves(plain(node), path):
        if KEY in leaf_path.split("."):
            refuse_target(leaf_path, value)


def refuse_target(path: str, target: object) -> None:
    package = refuse_place(path, target)
    if not defined_in(path, str(target), package):
        raise ValueError(
            f"{path}={target}: only what is defined in {package} itself may be called here, "
            f"{'a class or a function' if allows_functions(path, package) else 'a class'}, not what it imports"
        )


def refuse_place(path: str, target: object) -> str:
    """By the name alone, nothing is imported. The package that the target must be defined in."""
    node_path, _, end = path.rpartition(".")
    listed = re.fullmatch(LISTED, node_path)
    place = next(filter(None, listed.groups())) if listed else node_path.rpartition(".")[2]
    library, pattern, described = LIBRARIES.get(place, ("", "", ""))
    if end != KEY or not isinstance(target, str):
        raise ValueError(f"{path} must be a dotted name, got {target!r}")
    if place not in ROOMS and not library:
        raise ValueError(
            f"{path}={target}: nothing is made here; only {', '.join(ROOMS)}, trainer.callbacks and tracking.loggers "
            f"have a {KEY}"
        )
    if library and re.fullmatch(pattern, target):
        return library
    ours = ROOMS.get(place, ())
    if not (allowing := [package for package in (*ours, *own_packages()) if lies_in(target, [package])]):
        names = " and ".join([*(f"classes defined in {package}" for package in ours), *filter(None, [described])])
        raise ValueError(
            f"{path}={target}: only {names} may be called here; for a package of yours set the "
            f"environment variable {OWN}=package"
        )
    return allowing[-1]


def own_packages() -> list[str]:
    return [package for package in os.environ.get(OWN, "").split(":") if package]


def lies_in(name: str, packages: Sequence[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def allows_functions(path: str, package: str) -> bool:
    return package in own_packages() or path.rpartition(".")[0].rpartition(".")[2] == "model"


def defined_in(path: str, target: str, package: str) -> bool:
    """A dotted name reaches through a module to all that it imports: where the thing itself was written counts."""
    try:
        definition = get_object(target)
    except Exception as error:  # of Hydra's many kinds
        raise ValueError(f"{path}={target} is not to be found: {explain_missing(target)}") from error
    allowed = inspect.isclass(definition) or (allows_functions(path, package) and inspect.isroutine(definition))
    return allowed and lies_in(str(definition.__module__), [package])


def explain_missing(target: str) -> str:
    """Why a name cannot be had, and what was probably meant."""
    names = target.split(".")
    for length in range(len(names) - 1, 0, -1):
        module = ".".join(names[:length])
        try:
            parent = import_module(module)
        except Exception as error:  # a user's own module may raise anything
            if isinstance(error, ModuleNotFoundError) and lies_in(module, [str(error.name)]):
                continue
            return f"{module} cannot be imported: {type(error).__name__}: {error}"
        submodules = [name.name for name in iter_modules(getattr(parent, "__path__", []))]
        names_there = [f"{module}.{name}" for name in {*vars(parent), *submodules} if not name.startswith("_")]
        candidates = nearest(f"{module}.{names[length]}", names_there)
        return f"{module} has no {names[length]}" + (f"; did you mean {' or '.join(candidates)}?" if candidates else "")
    return f"no package {names[0]} is on Python's path: install it, or name its folder in PYTHONPATH"


def refuse_misfit(path: str, node: Node) -> None:
    """Python's own words for a value of a kind that a class does not take name no key."""
    refuse_signature(path, node)
    for name, kinds in argument_kinds(node.target).items():
        if name in node.arguments:
            refuse_other_kind(kinds, node.arguments[name], f"{path}.{name}")
    for name, value in node.arguments.items():
        if isinstance(value, dict) and KEY in value:
            refuse_misfit(f"{path}.{name}", build_node(value, f"{path}.{name}"))


def without_facts(path: str, node: Node) -> Node:
    """What a class is called with. Facts of data are for the run, and for a user's own class where it takes them."""
    facts = FACTS if path == "data" and not lies_in(node.target, ROOMS["data"]) else ()
    takes = inspect.signature(get_object(node.target)).parameters if facts else ()
    left = {name for name in facts if name not in takes or node.arguments.get(name) is None}
    return Node(node.target, {name: value for name, value in node.arguments.items() if name not in left})


def refuse_signature(path: str, node: Node) -> None:
    """What is made is called with its keys, a network also with the data's shape: it must take them."""
    arguments = without_facts(path, node).arguments
    names = [*(name for name in arguments if not name.startswith("_")), *CALLED_WITH.get(path, ())]
    positional = arguments.get("_args_")
    try:
        inspect.signature(get_object(node.target)).bind(
            *(positional if isinstance(positional, list) else ()), **dict.fromkeys(names)
        )
    except ValueError:  # of a builtin, which says nothing of itself
        return
    except TypeError as error:
        raise ValueError(
            f"{path}.{KEY}={node.target}: {error}; it is called with ({', '.join(names)}), and must take these"
        ) from error


def argument_kinds(target: str) -> dict[str, tuple[object, ...]]:
    """The kinds of value that each argument takes, of those arguments that take values of a config alone."""
    callable_ = get_object(target)
    try:
        hints = get_type_hints(callable_.__init__ if inspect.isclass(callable_) else callable_)
    except (NameError, TypeError):  # of a package of the user's own
        return {}
    options = {name: options_of(hint) for name, hint in hints.items()}
    return {name: kinds for name, kinds in options.items() if set(kinds) <= KINDS.keys()}

"""Which classes a config may name. Configs travel, and a `_target_` could call anything that Python can import.

Each place takes what belongs there, defined in our own packages; PRUNING_TARGETS=mine:theirs adds packages of yours, of
which only what is defined in them may be called.
"""

import inspect
import os
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra.utils import get_object

from experiments.config.schema import KINDS, leaves
from experiments.config.suggestions import nearest

KEY = "_target_"
OWN = "PRUNING_TARGETS"
CALLED_WITH = {"model": ("classes", "image_shape", "seed")}  # beside what the config says
ROOMS = {
    "data": "datamodules",
    "model": "pruning.models",
    "method": "pruning.methods",
    "budget": "pruning.budget",
    "objective": "pruning.objectives",
}


def refuse_foreign(values: dict[str, Any]) -> None:
    """Raises ValueError for the first `_target_` that may not be called, before anything is."""
    for path, target in leaves(values):
        if KEY in path.split("."):
            refuse_target(path, target)


def refuse_target(path: str, target: Any) -> None:
    package = refuse_place(path, target)
    if not defined_in(path, target, package):
        raise ValueError(
            f"{path}={target}: only what is defined in {package} itself may be called here, "
            f"{'a class or a function' if allows_functions(path, package) else 'a class'}, not what it imports"
        )


def refuse_place(path: str, target: Any) -> str:
    """By the name alone, nothing is imported. The package that the target must be defined in."""
    node_path, _, end = path.rpartition(".")
    ours = ROOMS.get(node_path.rpartition(".")[2])
    if end != KEY or not isinstance(target, str):
        raise ValueError(f"{path} must be a dotted name, got {target!r}")
    if ours is None:
        raise ValueError(f"{path}={target}: nothing is made here; only {', '.join(ROOMS)} have a {KEY}")
    packages = [ours, *own_packages()]
    if not (allowing := [package for package in packages if lies_in(target, [package])]):
        raise ValueError(
            f"{path}={target}: only classes defined in {ours} may be called here; for a package of yours set the "
            f"environment variable {OWN}=package"
        )
    return allowing[-1]


def own_packages() -> list[str]:
    return [package for package in os.environ.get(OWN, "").split(":") if package]


def lies_in(name: str, packages: list[str]) -> bool:
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


def refuse_misfits(values: dict[str, Any]) -> None:
    """Raises ValueError for the first value of a kind that its class does not take: Python's own words name no key."""
    for path, node in target_nodes(values):
        refuse_signature(path, node)
        for name, kinds in argument_kinds(node[KEY]).items():
            if name in node and not is_of_kind(node[name], kinds):
                expected = " or ".join(KINDS[kind] for kind in kinds if not (kind is int and float in kinds))
                raise ValueError(f"{path}.{name} must be {expected}, got {node[name]!r}")


def refuse_signature(path: str, node: dict[str, Any]) -> None:
    """What is made is called with its keys, a network also with the data's shape: it must take them."""
    names = [*(name for name in node if not name.startswith("_")), *CALLED_WITH.get(path, ())]
    try:
        inspect.signature(get_object(node[KEY])).bind(*node.get("_args_", ()), **dict.fromkeys(names))
    except ValueError:  # of a builtin, which says nothing of itself
        return
    except TypeError as error:
        raise ValueError(
            f"{path}.{KEY}={node[KEY]}: {error}; it is called with ({', '.join(names)}), and must take these"
        ) from error


def is_of_kind(value: Any, kinds: tuple[type, ...]) -> bool:
    return type(value) in kinds or (type(value) is int and float in kinds)


def target_nodes(values: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in values.items():
        if isinstance(value, dict):
            node_path = f"{path}.{name}" if path else name
            if KEY in value:
                yield node_path, value
            yield from target_nodes(value, node_path)


def argument_kinds(target: str) -> dict[str, tuple[type, ...]]:
    """The kinds of value that each argument takes, of those arguments that take values of a config alone."""
    callable_ = get_object(target)
    try:
        hints = get_type_hints(callable_.__init__ if inspect.isclass(callable_) else callable_)
    except (NameError, TypeError):  # of a package of the user's own
        return {}
    options = {name: get_args(hint) if is_union(hint) else (hint,) for name, hint in hints.items()}
    return {name: kinds for name, kinds in options.items() if set(kinds) <= KINDS.keys()}


def is_union(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)

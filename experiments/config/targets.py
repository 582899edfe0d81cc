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
            refuse(path, target)


def refuse(path: str, target: Any) -> None:
    package = refuse_place(path, target)
    if not defined_in(path, target, package):
        raise ValueError(
            f"{path}={target}: only what is defined in {package} itself may be called here, "
            f"{'a class or a function' if functions_too(path, package) else 'a class'}, not what it imports"
        )


def refuse_place(path: str, target: Any) -> str:
    """By the name alone, nothing is imported. The package that the target must be defined in."""
    place, _, end = path.rpartition(".")
    room = ROOMS.get(place.rpartition(".")[2])
    if end != KEY or not isinstance(target, str):
        raise ValueError(f"{path} must be a dotted name, got {target!r}")
    if room is None:
        raise ValueError(f"{path}={target}: nothing is made here; only {', '.join(ROOMS)} have a {KEY}")
    packages = [room, *own_packages()]
    if not (inside := [each for each in packages if lies_in(target, [each])]):
        raise ValueError(
            f"{path}={target}: only classes defined in {room} may be called here; for a package of yours set the "
            f"environment variable {OWN}=package"
        )
    return inside[-1]


def own_packages() -> list[str]:
    return [each for each in os.environ.get(OWN, "").split(":") if each]


def lies_in(name: str, packages: list[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def functions_too(path: str, package: str) -> bool:
    return package in own_packages() or path.rpartition(".")[0].rpartition(".")[2] == "model"


def defined_in(path: str, target: str, package: str) -> bool:
    """A dotted name reaches through a module to all that it imports: where the thing itself was written counts."""
    try:
        found = get_object(target)
    except Exception as error:  # of Hydra's many kinds
        raise ValueError(f"{path}={target} is not to be found: {missing(target)}") from error
    called = inspect.isclass(found) or (functions_too(path, package) and inspect.isroutine(found))
    return called and lies_in(str(found.__module__), [package])


def missing(target: str) -> str:
    """Why a name cannot be had, and what was probably meant."""
    names = target.split(".")
    for length in range(len(names) - 1, 0, -1):
        module = ".".join(names[:length])
        try:
            found = import_module(module)
        except Exception as error:  # a user's own module may raise anything
            if isinstance(error, ModuleNotFoundError) and lies_in(module, [str(error.name)]):
                continue
            return f"{module} cannot be imported: {type(error).__name__}: {error}"
        below = [each.name for each in iter_modules(getattr(found, "__path__", []))]
        known = [f"{module}.{each}" for each in {*vars(found), *below} if not each.startswith("_")]
        close = nearest(f"{module}.{names[length]}", known)
        return f"{module} has no {names[length]}" + (f"; did you mean {' or '.join(close)}?" if close else "")
    return f"no package {names[0]} is on Python's path: install it, or name its folder in PYTHONPATH"


def refuse_misfits(values: dict[str, Any]) -> None:
    """Raises ValueError for the first value of a kind that its class does not take: Python's own words name no key."""
    for path, node in nodes(values):
        refuse_signature(path, node)
        for name, kinds in asked(node[KEY]).items():
            if name in node and not fits(node[name], kinds):
                words = " or ".join(KINDS[kind] for kind in kinds if not (kind is int and float in kinds))
                raise ValueError(f"{path}.{name} must be {words}, got {node[name]!r}")


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


def fits(value: Any, kinds: tuple[type, ...]) -> bool:
    return type(value) in kinds or (type(value) is int and float in kinds)


def nodes(values: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in values.items():
        if isinstance(value, dict):
            place = f"{path}.{name}" if path else name
            if KEY in value:
                yield place, value
            yield from nodes(value, place)


def asked(target: str) -> dict[str, tuple[type, ...]]:
    """The kinds of value that each argument takes, of those arguments that take values of a config alone."""
    found = get_object(target)
    try:
        hints = get_type_hints(found.__init__ if inspect.isclass(found) else found)
    except (NameError, TypeError):  # of a package of the user's own
        return {}
    options = {name: get_args(hint) if union(hint) else (hint,) for name, hint in hints.items()}
    return {name: kinds for name, kinds in options.items() if set(kinds) <= KINDS.keys()}


def union(hint: Any) -> bool:
    return get_origin(hint) in (Union, UnionType)

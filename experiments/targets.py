"""Which classes a config may name. Configs travel, and a `_target_` could call anything that Python can import.

Each place takes what belongs there, defined in our own packages; PRUNING_TARGETS=mine:theirs adds packages of yours.
"""

import inspect
import os
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from hydra.utils import get_object

from experiments.schema import KINDS, leaves

KEY = "_target_"
OWN = "PRUNING_TARGETS"
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
    place, _, end = path.rpartition(".")
    room = ROOMS.get(place.rpartition(".")[2])
    if end != KEY or not isinstance(target, str):
        raise ValueError(f"{path} must be a dotted name, got {target!r}")
    if room is None:
        raise ValueError(f"{path}={target}: nothing is made here; only {', '.join(ROOMS)} have a {KEY}")
    packages = [each for each in os.environ.get(OWN, "").split(":") if each]
    if not (lies_in(target, packages) or (lies_in(target, [room]) and defined_in(path, target, room))):
        raise ValueError(
            f"{path}={target}: only classes defined in {room} may be called here; for a package of yours set the "
            f"environment variable {OWN}=package"
        )


def lies_in(name: str, packages: list[str]) -> bool:
    return any(f"{name}.".startswith(f"{package}.") for package in packages)


def defined_in(path: str, target: str, room: str) -> bool:
    """A dotted name reaches through a module to all that it imports: where the thing itself was written counts."""
    try:
        found = get_object(target)
    except Exception as error:  # of Hydra's many kinds
        raise ValueError(f"{path}={target} is not to be found: {str(error).splitlines()[0]}") from error
    called = inspect.isclass(found) or (room == ROOMS["model"] and inspect.isfunction(found))
    return called and lies_in(found.__module__, [room])


def refuse_misfits(values: dict[str, Any]) -> None:
    """Raises ValueError for the first value of a kind that its class does not take: Python's own words name no key."""
    for path, node in nodes(values):
        for name, kinds in asked(node[KEY]).items():
            if name in node and not fits(node[name], kinds):
                words = " or ".join(KINDS[kind] for kind in kinds if not (kind is int and float in kinds))
                raise ValueError(f"{path}.{name} must be {words}, got {node[name]!r}")


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

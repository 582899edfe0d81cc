"""What the repairs are called, and which may follow which. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

from pruning.arguments import did_you_mean, key

NONE, MERGE = "none", "merge"
BY_IMAGES = ("bn", "ls")
REPAIRS = (NONE, *BY_IMAGES, MERGE)
NAMED = 3  # layers
IMAGES = 400  # without labels, where no other number is asked for


def repair_names(repair: str | Sequence[str]) -> tuple[str, ...]:
    """The repairs of "ls", "merge,bn" or ["merge", "bn"], in order; none of "none".

    Raises:
        ValueError: a name that is no repair, one that is named twice, merging after another.
    """
    names = [name.strip() for name in repair.split(",")] if isinstance(repair, str) else list(repair)
    for name in names:
        if name not in REPAIRS:
            hint = did_you_mean(name, REPAIRS)
            raise ValueError(f"{key('repair')} must be of {', '.join(REPAIRS)}, got {name!r:.60}{hint}")
    if len(set(names)) < len(names) or (NONE in names and len(names) > 1):
        raise ValueError(f"{key('repair')}: each repair once, and none alone, got {','.join(names)}")
    if MERGE in names[1:]:
        raise ValueError(
            f"{key('repair')}: merge looks at the network as it was, so it comes first: {MERGE},{names[0]}"
        )
    return tuple(name for name in names if name != NONE)


def needs_images(names: Sequence[str]) -> bool:
    return any(name in BY_IMAGES for name in names)


def describe_repair(name: str, layers: int, images: int, left: Sequence[str]) -> str:
    """What one repair has mended, and which layers it had to leave, the first few by name."""
    data = f" on {images} images without labels" if images else ""
    more = ", ..." if len(left) > NAMED else ""
    missed = f", {len(left)} left as they were ({', '.join(left[:NAMED])}{more})" if left else ""
    return f"{name}: {layers} layers{data}{missed}"

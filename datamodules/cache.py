"""What was read from many files kept as one memory-mapped file: images decoded, tar files indexed, once."""

import fcntl
import hashlib
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Bundle:
    """Class names and tensors by name."""

    classes: tuple[str, ...]
    tensors: dict[str, Tensor]

    @cached_property
    def digest(self) -> str:
        whole = hashlib.sha256("\n".join(self.classes).encode())
        for name, tensor in sorted(self.tensors.items()):
            whole.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            whole.update(tensor.contiguous().numpy().data)
        return whole.hexdigest()


def load_or_build(root: Path, name: str, fingerprint: str, make: Callable[[], Bundle]) -> Bundle:
    """The cached bundle if it was made from sources of this fingerprint and is undamaged, else made and cached.

    Two processes at once: one builds, the other waits and reads. Where nothing may be written, nothing is kept.
    """
    places = [folder / f".{name}.cache" for folder in (root, user_cache_folder(root))]
    for place in places:
        if (found := read_bundle(place, fingerprint)) is not None:
            return found
    with lock_first_writable(places) as writable:
        if writable is None:
            return make()
        return read_bundle(writable, fingerprint) or write_bundle(make(), writable, fingerprint)


def user_cache_folder(root: Path) -> Path:
    """For the caches of a root that is read-only."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "cnn-pruning" / hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]


@contextmanager
def lock_first_writable(places: list[Path]) -> Iterator[Path | None]:
    """The first place that can be written, locked; the kernel lets go of the lock when its holder dies."""
    for place in places:
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            lock = open(lock_path(place), "a")  # noqa: SIM115 (closed below, or at once on an error)
        except OSError:
            continue
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield place
        return
    yield None


def lock_path(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def read_bundle(place: Path, fingerprint: str) -> Bundle | None:
    """None for a cache that is absent, made from other sources, or damaged."""
    try:
        with safe_open(place, framework="pt") as cache:
            about = cache.metadata() or {}
            if about.get("fingerprint") != fingerprint:
                return None
            tensors = {name: cache.get_tensor(name) for name in cache.keys()}  # noqa: SIM118 (no mapping)
            bundle = Bundle(tuple(json.loads(about["classes"])), tensors)
    except (OSError, SafetensorError, ValueError, KeyError, RecursionError):
        return None
    return bundle if bundle.digest == about["digest"] else None


def write_bundle(bundle: Bundle, place: Path, fingerprint: str) -> Bundle:
    new = place.with_name(f"{place.name}.new")  # in the same folder, so that it can replace the old one in one step
    about = {"fingerprint": fingerprint, "digest": bundle.digest, "classes": json.dumps(bundle.classes)}
    try:
        save_file(bundle.tensors, new, about)
        shutil.copymode(lock_path(place), new)  # as the umask says; safetensors lets the owner alone read
        os.replace(new, place)
    except (OSError, SafetensorError) as error:
        log.warning("no cache at %s (%s): it is made again next time", place, error)
    finally:
        with suppress(OSError):
            new.unlink(missing_ok=True)
    return read_bundle(place, fingerprint) or bundle

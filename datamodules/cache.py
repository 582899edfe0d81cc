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
        hasher = hashlib.sha256("\n".join(self.classes).encode())
        for name, tensor in sorted(self.tensors.items()):
            hasher.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
            hasher.update(tensor.contiguous().numpy().data)
        return hasher.hexdigest()


def load_or_build(root: Path, name: str, fingerprint: str, make: Callable[[], Bundle]) -> Bundle:
    """The cached bundle if it was made from sources of this fingerprint and is undamaged, else made and cached.

    Two processes at once: one builds, the other waits and reads. Where nothing may be written, nothing is kept.
    """
    paths = [folder / f".{name}.cache" for folder in (root, user_cache_folder(root))]
    for path in paths:
        if (bundle := read_bundle(path, fingerprint)) is not None:
            return bundle
    with lock_first_writable(paths) as locked_path:
        if locked_path is None:
            return make()
        return read_bundle(locked_path, fingerprint) or write_bundle(make(), locked_path, fingerprint)


def user_cache_folder(root: Path) -> Path:
    """For the caches of a root that is read-only."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "cnn-pruning" / hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:16]


@contextmanager
def lock_first_writable(paths: list[Path]) -> Iterator[Path | None]:
    """The first place that can be written, locked; the kernel lets go of the lock when its holder dies."""
    for path in paths:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = open(lock_path(path), "a")  # noqa: SIM115 (closed below, or at once on an error)
        except OSError:
            continue
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield path
        return
    yield None


def lock_path(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def read_bundle(path: Path, fingerprint: str) -> Bundle | None:
    """None for a cache that is absent, made from other sources, or damaged."""
    try:
        with safe_open(path, framework="pt") as cache:
            metadata = cache.metadata() or {}
            if metadata.get("fingerprint") != fingerprint:
                return None
            tensors = {name: cache.get_tensor(name) for name in cache.keys()}  # noqa: SIM118 (no mapping)
            bundle = Bundle(tuple(json.loads(metadata["classes"])), tensors)
    except (OSError, SafetensorError, ValueError, KeyError, RecursionError):
        return None
    return bundle if bundle.digest == metadata["digest"] else None


def write_bundle(bundle: Bundle, path: Path, fingerprint: str) -> Bundle:
    temporary = path.with_name(f"{path.name}.new")  # in the same folder, so that it can replace the old one in one step
    metadata = {"fingerprint": fingerprint, "digest": bundle.digest, "classes": json.dumps(bundle.classes)}
    try:
        save_file(bundle.tensors, temporary, metadata)
        shutil.copymode(lock_path(path), temporary)  # as the umask says; safetensors lets the owner alone read
        os.replace(temporary, path)
    except (OSError, SafetensorError) as error:
        log.warning("no cache at %s (%s): it is made again next time", path, error)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return read_bundle(path, fingerprint) or bundle

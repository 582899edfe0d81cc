"""Which images these are: a digest of what is in the files. A file is read again only when its stamp has changed.

Above LARGE bytes only some images are read, and the stamps of all count: `data.verify=full` reads them all.
"""

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int, UInt8

from datamodules.cache import Bundle, lock_first_writable, read_bundle, user_cache_folder, write_bundle
from datamodules.decode import BrokenImageError
from datamodules.sources import Source
from datamodules.stamps import stamps

LARGE = 2 * 10**9  # bytes
SAMPLE_SIZE = 1000
THREADS = 8  # reading waits for the disk, and hashing lets go of the interpreter
VERIFY = ("auto", "full")
WHOLE, SAMPLE = "contents", "sample"
FORMAT = "1"  # of the cache
UNREADABLE = bytes(16)  # of a file that cannot be read: training says so, or leaves it out


@dataclass(frozen=True)
class Content:
    digest: str
    verified: str  # by the contents of all files, or of a sample and the stamps of all


def identify(root: Path, sources: Sequence[Source], verify: str = "auto", large: int = LARGE) -> Content:
    files = [path for source in sources for path in source.files]
    stats = stamps(files)
    if verify == "auto" and stats[:, 0].sum() > large:
        return Content(_combined_digest(sources, stats.tobytes(), _sample_digests(sources)), SAMPLE)
    return Content(_combined_digest(sources, _file_digests(root, files, stats).tobytes()), WHOLE)


def _combined_digest(sources: Sequence[Source], *parts: bytes) -> str:
    return hashlib.sha256(b"\0".join([*(source.digest.encode() for source in sources), *parts])).hexdigest()


def _sample_digests(sources: Sequence[Source]) -> bytes:
    """The same images whatever the run's seed."""
    images = [(source, index) for source in sources for index in range(len(source.labels))]
    sample = np.random.Generator(np.random.Philox(0)).permutation(len(images))[:SAMPLE_SIZE]
    with ThreadPoolExecutor(THREADS) as pool:
        return b"".join(pool.map(_image_digest, (images[number] for number in sample)))


def _image_digest(image: tuple[Source, int]) -> bytes:
    source, index = image
    try:
        return hashlib.blake2b(source.read(index), digest_size=16).digest()
    except (OSError, BrokenImageError):
        return UNREADABLE


def _file_digests(root: Path, files: list[bytes], stats: Int[np.ndarray, "n 4"]) -> UInt8[np.ndarray, "n 16"]:
    """The digest of each file, those of unchanged stamps from what was kept of an earlier look."""
    keys = np.array([_cache_key(path, stamp.tobytes()) for path, stamp in zip(files, stats, strict=True)], np.int64)
    paths = [folder / ".contents.cache" for folder in (root, user_cache_folder(root))]
    cache = next((bundle for cache_path in paths if (bundle := read_bundle(cache_path, FORMAT)) is not None), None)
    digests, missing = _look_up(keys, cache)
    if missing.any():
        digests[missing] = _read_digests([path for path, is_missing in zip(files, missing, strict=True) if is_missing])
        _write_digests(paths, keys, digests)
    return digests


def _cache_key(path: bytes, stamp: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(path + b"\0" + stamp, digest_size=8).digest(), "little", signed=True)


def _look_up(
    keys: Int[np.ndarray, " n"], cache: Bundle | None
) -> tuple[UInt8[np.ndarray, "n 16"], np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    digests = np.zeros((len(keys), 16), np.uint8)
    if cache is None or not len(cache.tensors["keys"]):
        return digests, np.ones(len(keys), bool)
    cached_keys = cache.tensors["keys"].numpy()
    positions = np.searchsorted(cached_keys, keys).clip(max=len(cached_keys) - 1)
    hit = cached_keys[positions] == keys
    digests[hit] = cache.tensors["digests"].numpy()[positions[hit]]
    return digests, ~hit


def _read_digests(paths: list[bytes]) -> UInt8[np.ndarray, "n 16"]:
    with ThreadPoolExecutor(THREADS) as pool:
        return np.frombuffer(b"".join(pool.map(_file_digest, paths)), np.uint8).reshape(-1, 16)


def _file_digest(path: bytes) -> bytes:
    try:
        with open(path, "rb", buffering=0) as file:
            return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).digest()
    except OSError:
        return UNREADABLE


def _write_digests(paths: list[Path], keys: Int[np.ndarray, " n"], digests: UInt8[np.ndarray, "n 16"]) -> None:
    readable = digests.any(axis=1)
    order = np.argsort(keys[readable])
    tensors = {"keys": torch.from_numpy(keys[readable][order]), "digests": torch.from_numpy(digests[readable][order])}
    with lock_first_writable(paths) as path:
        if path is not None:
            write_bundle(Bundle((), tensors), path, FORMAT)

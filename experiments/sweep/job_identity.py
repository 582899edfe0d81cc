"""What a sweep's driver knows of a job before it runs: whether it would come out as a finished one. No torch."""

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from experiments.config.digest import digest
from experiments.config.node import KEY, leaves
from experiments.system.checksums import content_digest, is_pruned


def identify(values: object) -> str:
    """What the parent can know of the run's digest without loading the data."""
    assert isinstance(values, dict)
    baseline, data = values["baseline"], values["data"]
    images = {"stamps": stamp_data(data), "root": data.get("root")}
    content = identify_baseline(baseline)
    return digest("sweep", values, **images, baseline=content, export=values["export"], deploy=values["deploy"])


def identify_baseline(baseline: str | None) -> str | None:
    """By its content; a name that is none of ours by itself."""
    return content_digest(Path(baseline)) if baseline and is_readable(Path(baseline)) else baseline


def stamp_data(data: Mapping[str, object]) -> list[str]:
    return [stamp(path, path.stat().st_mtime_ns) for path in data_paths(data)]


def is_readable(baseline: Path) -> bool:
    return baseline.is_file() or is_pruned(baseline)


def data_paths(data: Mapping[str, object]) -> list[Path]:
    """Of our data sets the root, and parts that lie elsewhere; of a user's own whatever a value names that is there."""
    if not str(data[KEY]).startswith("datamodules."):
        return outermost(value for _, value in leaves(data) if isinstance(value, str) and value)
    root = data.get("root")
    parts = [str(Path(str(root)) / str(data[part])) for part in ("train", "test") if data.get(part)]
    return outermost([str(root), *parts]) if root else []


def outermost(names: Iterable[str]) -> list[Path]:
    """Those that exist, each once: a path below another one comes with it."""
    paths: list[Path] = []
    for path in (Path(name).expanduser().resolve() for name in names):
        if path.exists() and not any(path.is_relative_to(other) for other in paths):
            paths.append(path)
    return paths


@cache
def stamp(path: Path, changed: int) -> str:
    """Changes when a file below does. Once in a driver: its jobs read the data, or fetch it, and then the folder itself
    has `changed`."""
    from datamodules.stamps import list_files, stamps  # bring numpy

    files = list_files(path) if path.is_dir() else [str(path)]
    return hashlib.sha256(repr((files, stamps(files).tolist())).encode()).hexdigest()

"""Reads an offline W&B run back from its `.wandb` file: wandb itself has no reader in Python since 0.31."""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto import wandb_internal_pb2 as messages

BLOCK, FILE_HEADER = 32768, struct.Struct("<4sHB")
CHUNK = struct.Struct("<IHB")  # of LevelDB's log: checksum, length, type
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


@dataclass
class OfflineRun:
    id: str = ""
    group: str = ""
    name: str = ""
    project: str = ""
    tags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    summary: dict[str, Any] = field(default_factory=dict)
    axes: dict[str, str] = field(default_factory=dict)  # a metric or a pattern, and its x axis
    exit_code: int | None = None
    notes: str = ""
    job_type: str = ""
    artifacts: list["Artifact"] = field(default_factory=list)


@dataclass
class Artifact:
    kind: str
    files: set[str]


def read(path: Path) -> OfflineRun:
    run = OfflineRun()
    for raw in records(path.read_bytes()):
        take(run, messages.Record.FromString(raw))
    return run


def records(content: bytes) -> Iterator[bytes]:
    assert FILE_HEADER.unpack_from(content)[0] == b":W&B"
    at, whole = FILE_HEADER.size, b""
    while at + CHUNK.size <= len(content):
        if BLOCK - at % BLOCK < CHUNK.size:  # the rest of a block that no header fits into
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = CHUNK.unpack_from(content, at)
        whole += content[at + CHUNK.size : at + CHUNK.size + length]
        at += CHUNK.size + length
        if kind in (FULL, LAST):
            yield whole
            whole = b""


def take(run: OfflineRun, record: messages.Record) -> None:
    kind = record.WhichOneof("record_type")
    if kind == "run":
        told = record.run
        run.id, run.group, run.name, run.project = told.run_id, told.run_group, told.display_name, told.project
        run.notes, run.job_type = told.notes, told.job_type
        run.tags, run.config = list(told.tags), values(told.config.update)
    elif kind == "history":
        run.history.append(values(record.history.item))
    elif kind == "summary":
        run.summary |= values(record.summary.update)
    elif kind == "metric":
        run.axes[record.metric.name or record.metric.glob_name] = record.metric.step_metric
    elif kind == "artifact":
        run.artifacts.append(artifact(record.artifact))
    elif kind == "exit":
        run.exit_code = record.exit.exit_code


def values(items: Any) -> dict[str, Any]:
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


def artifact(told: Any) -> Artifact:
    return Artifact(told.type, {entry.path for entry in told.manifest.contents})

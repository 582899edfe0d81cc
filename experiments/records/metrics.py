"""metrics.jsonl: figures of a step or an epoch per line. Always readable, and the source of all that W&B and the report
show. Imports no torch."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from experiments.records.json_value import JSON


def read(paths: Iterable[Path]) -> Iterator[dict[str, JSON]]:
    """Every whole line; a kill may leave the last one torn."""
    for path in paths:
        for line in path.read_text(errors="replace").splitlines() if path.exists() else ():
            try:
                figures = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(figures, dict):
                yield figures


def encode(lines: Iterable[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()

"""A report out of a description; whatever it says is checked before it is believed."""

from __future__ import annotations

import math
from typing import Any

from pruning.graph.cost import Cost
from pruning.layers import Row
from pruning.pruned import Report
from pruning.repair.registry import Repaired


def read_report(values: Any) -> Report | None:
    """Raises ValueError for what is no report."""
    if values is None:
        return None
    try:
        certificate = float(values["certificate"])
        rows = tuple(_read_row(row) for row in values["rows"])
        costs = _read_cost(values["before"]), _read_cost(values["after"])
        sizes = _read_numbers(values["bytes"], 2)
        repairs = tuple(_read_repair(repair) for repair in values.get("repairs", ()))
        remarks = tuple(_read_words(list(values.get("remarks", ()))))
    except (KeyError, TypeError) as error:
        raise ValueError(f"the report is damaged: {str(error)[:60]}") from error
    if not math.isfinite(certificate):
        raise ValueError(f"the certificate must be a finite number, got {certificate}")
    return Report(rows, *costs, (sizes[0], sizes[1]), certificate, repairs, remarks)


def _read_repair(repair: Any) -> Repaired:
    words = _read_words([repair["name"], *repair["left"]])
    layers, images = _read_numbers([repair["layers"], repair["images"]], 2)
    return Repaired(words[0], layers, tuple(words[1:]), images)


def _read_words(words: list[Any]) -> list[str]:
    if not all(isinstance(word, str) and word.isprintable() for word in words):
        raise ValueError(f"no row of a report: {str(words)[:60]}")
    return words


def _read_row(row: Any) -> Row:
    words = _read_words([row["name"], row["verdict"], *row["readers"]])
    rows, columns = _read_numbers(row["rows"], 2), _read_numbers(row["columns"], 2)
    return Row(
        words[0],
        _read_numbers(row["shape"], len(row["shape"])),
        words[1],
        tuple(words[2:]),
        (rows[0], rows[1]),
        (columns[0], columns[1]),
        _read_cost(row["before"]),
        _read_cost(row["after"]),
    )


def _read_cost(cost: Any) -> Cost:
    return Cost(*_read_numbers([cost["macs"], cost["params"]], 2))


def _read_numbers(numbers: Any, count: int) -> tuple[int, ...]:
    if len(numbers) != count or not all(type(number) is int and number >= 0 for number in numbers):
        raise ValueError(f"the report must have {count} whole numbers, got {str(numbers)[:60]}")
    return tuple(numbers)

"""How the networks of one row answer, on average over its seeds: how sure, how unlike dense, and which classes."""

from collections.abc import Callable, Sequence
from functools import partial

from experiments.records.record import Network, Record
from experiments.report.analyse.configurations import Configuration
from experiments.report.load.text import printable
from experiments.report.render.cells import MISSING

MOST_CLASSES = 12  # columns; of more those that lost most are shown
NAMES = {"dense": "dense", "pruned": "pruned", "repaired": "repaired", "tuned": "fine-tuned", "scratch": "from scratch"}
View = dict[str, object]


def answers_view(row: Configuration) -> View | None:
    """A table: a line for each network, a column for each figure and class; None where records have no such figure."""
    records = [run.record for run in row.runs]
    kept = ("dense", "scratch") if row.scratch else ("dense", "pruned", "repaired", "tuned")
    lines = {name: networks for name in kept if (networks := networks_of(records, name))}
    if any(network.nll is None and network.flips is None for network in lines[kept[-1]]):
        return None
    classes = shown_classes(records[0].classes, lines["dense"], lines[kept[-1]])
    return {
        "classes": [printable(records[0].classes[index]) for index in classes],
        "left": len(records[0].classes) - len(classes),
        "lines": [(NAMES[name], line_cells(networks, classes)) for name, networks in lines.items()],
    }


def networks_of(records: Sequence[Record], name: str) -> list[Network]:
    """None unless every seed has one."""
    networks = [network for record in records if (network := getattr(record, name)) is not None]
    return networks if len(networks) == len(records) else []


def line_cells(networks: Sequence[Network], classes: Sequence[int]) -> list[str]:
    return [
        mean_text(networks, lambda network: network.nll, scale=1, digits=3),
        mean_text(networks, lambda network: network.ece),
        mean_text(networks, lambda network: network.flips),
        *(mean_text(networks, partial(class_accuracy, index=index)) for index in classes),
    ]


def mean_text(
    networks: Sequence[Network], figure: Callable[[Network], float | None], scale: int = 100, digits: int = 1
) -> str:
    values = [value for network in networks if (value := figure(network)) is not None]
    return f"{scale * sum(values) / len(values):.{digits}f}" if values else MISSING


def shown_classes(names: Sequence[str], before: Sequence[Network], after: Sequence[Network]) -> list[int]:
    """In their order; of many those whose accuracy fell most."""
    losses = {index: loss for index in range(len(names)) if (loss := class_loss(before, after, index)) is not None}
    return sorted(sorted(losses, key=lambda index: -losses[index])[:MOST_CLASSES])


def class_loss(before: Sequence[Network], after: Sequence[Network], index: int) -> float | None:
    pairs = [(class_accuracy(a, index), class_accuracy(b, index)) for a, b in zip(before, after, strict=True)]
    losses = [a - b for a, b in pairs if a is not None and b is not None]
    return sum(losses) / len(losses) if losses else None


def class_accuracy(network: Network, index: int) -> float | None:
    return network.accuracy_by_class[index] if network.accuracy_by_class else None

"""Whether a record may be averaged and ranked: figures that no run can have are refused. Pure."""

import math

from experiments.records.record import Layer, Network, Record, Stage
from experiments.report.load.recorded_config import read_config
from pruning.files import bitmap

MOST_TESTED = 2**27  # images of a test set
CERTIFIED = 1e-4  # above it the small network is not the masked one


def check_record(record: Record) -> Record:
    """Raises ValueError for figures that no run can have: they would be averaged and ranked."""
    for name in ("dense", "pruned", "repaired", "tuned", "scratch"):
        network = getattr(record, name)
        if network is not None:
            check_network(f"{name} network", network)
            check_how_sure(f"{name} network", network, len(record.classes))
    if not 0 <= record.certificate <= CERTIFIED:
        raise ValueError(
            f"certificate {record.certificate:g}: the small network is not the masked one (limit {CERTIFIED:g})"
        )
    if not 0 <= record.ratio < 1:
        raise ValueError(f"ratio {record.ratio:g} does not lie in [0, 1)")
    read_config(record.config)
    for layer in record.layers.values():
        check_layer(layer)
    for stage in record.stages:
        check_stage(stage)
    return record


def check_stage(stage: Stage) -> None:
    if not math.isfinite(stage.seconds) or stage.epochs < 0:
        raise ValueError(f"stage {stage.name} took {stage.epochs} epochs and {stage.seconds} s")


def check_layer(layer: Layer) -> None:
    if not 0 <= layer.kernels_kept <= layer.kernels_total or not layer.kernels_total:
        raise ValueError(f"a layer keeps {layer.kernels_kept} of {layer.kernels_total} kernels")


def check_answers(name: str, network: Network) -> None:
    answers, tested = network.answers, network.tested
    if answers is None and tested is None:
        return
    if answers is None or tested is None or not 0 < tested <= MOST_TESTED:
        raise ValueError(f"the {name} was tested on {tested} images, and its answers are {answers!r:.20}")
    right = int(bitmap.decode(answers, 1, tested).sum())
    if abs(right / tested - network.accuracy) > 1e-9:
        raise ValueError(f"the {name} has {right} right answers of {tested}, but accuracy {network.accuracy}")


def check_how_sure(name: str, network: Network, classes: int) -> None:
    shares = network.accuracy_by_class
    if shares is not None and len(shares) != classes:
        raise ValueError(f"the {name} has accuracies of {len(shares)} classes, the record {classes} classes")
    for figure in (network.ece, network.flips, *(shares or ())):
        if figure is not None and not 0 <= figure <= 1:
            raise ValueError(f"ece, flips or an accuracy by class of the {name} is {figure}, not a share in [0, 1]")
    if network.nll is not None and not 0 <= network.nll < math.inf:
        raise ValueError(f"nll of the {name} is {network.nll}")


def check_network(name: str, network: Network) -> None:
    if not 0 <= network.accuracy <= 1:
        raise ValueError(f"accuracy of the {name} is {network.accuracy}, not a share in [0, 1]")
    check_answers(name, network)
    for figure in (network.macs, network.params, network.bytes):
        if not 0 < figure < 2**63:
            raise ValueError(f"the {name} counts {figure}")
    if not all(0 < time < math.inf for time in network.latency_ms.values()):
        raise ValueError(f"the {name} was timed at {network.latency_ms}")

"""Another round: baseline= names the folder of a pruned network, and that small network is pruned again."""

from pathlib import Path

from torch import nn

from datamodules.base import ClassificationData
from datamodules.dataset_spec import DatasetSpec
from experiments.system.console import log
from pruning.files import artifact
from pruning.files.program import describe


def load(path: Path, data: ClassificationData | DatasetSpec) -> nn.Module:
    """Raises ValueError for a network of other images or classes than the data's; of a published data set that is not
    here only their number is known."""
    pruned = artifact.load(path)
    if pruned.image_shape != tuple(data.image_shape):
        raise ValueError(
            f"baseline={path} takes images of {pruned.image_shape}, data= has {tuple(data.image_shape)}: choose the "
            "data that it was pruned on"
        )
    known = isinstance(data, ClassificationData)
    theirs, ours = (tuple(classes) if known else len(classes) for classes in (pruned.classes, data.classes))
    if theirs != ours:
        found, needed = describe_classes(pruned.classes), describe_classes(tuple(data.classes))
        raise ValueError(
            f"baseline={path} tells apart {found}, data= has {needed}: choose the data that it was pruned on"
        )
    describe(pruned.network)  # raises for a graph that the next round's folder could not hold
    log(f"the network comes from baseline={path}; model= is only its name")
    return pruned.network


def describe_classes(classes: tuple[str, ...]) -> str:
    """Many classes by their number and the first ones."""
    shown = ", ".join(classes[:3])
    return f"{len(classes)} classes ({shown}{', ...' if len(classes) > 3 else ''})"

"""The tuned network, kept beside its record: a folder that `pruning.load` reads, and on request an ONNX file."""

from pathlib import Path

from torch import nn

from experiments.config.node import Node
from experiments.config.rules import colours
from experiments.config.schema import Settings
from experiments.run.context import RunContext
from experiments.system.checksums import is_pruned, write_checksum
from experiments.system.console import log
from pruning.files import artifact, export
from pruning.files.program import is_describable
from pruning.models.registry import BUILDERS, Origin
from pruning.pruned import Preprocessing, Pruned
from pruning.selection import Selection
from pruning.surgery.forms import to_form

NETWORK, ONNX = "network", "network.onnx"


def save(context: RunContext, network: nn.Module, choice: Selection, form: str) -> Path:
    """Write `network/` (and `network.onnx`, in this form) into the run's folder."""
    folder, origin = context.folder / NETWORK, origin_of(context.settings)
    pruned = Pruned(
        network, choice, origin, context.image_shape, tuple(context.data.classes), preprocessing(context.settings.data)
    )
    artifact.save(pruned, folder, dense=None if origin or is_describable(network) else context.network)
    if context.settings.export == "onnx":
        distance = export.onnx(to_form(network, form), context.image_shape, context.folder / ONNX)
        write_checksum(context.folder / ONNX)
        log(f"ONNX Runtime differs from the network by {distance:.1e} of the logits' scale")
    return folder


def origin_of(settings: Settings) -> Origin | None:
    """How the full-size network is built by name; None for a network of the user's own, or a folder's."""
    model = settings.model
    if settings.baseline and is_pruned(Path(settings.baseline)):
        return None
    builder = model.target.rpartition(".")[2]
    is_ours = model.target.startswith("pruning.models.") and builder in BUILDERS
    return Origin.of(builder, model.arguments) if is_ours else None


def preprocessing(data: Node) -> Preprocessing | None:
    """None of a data set of the user's own that is not normalised by colour."""
    mean, std = (colours(data.arguments.get(name)) for name in ("mean", "std"))
    resize = data.arguments.get("resize")
    return Preprocessing(mean, std, resize if isinstance(resize, int) else None) if mean and std else None

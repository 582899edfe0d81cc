"""A pruned network to and from a folder: model.safetensors and model.json. No pickle; nothing in a file is ever run.

The small network is built anew, from the full-size one's name and the selection, without any weights; only then are the
weights read, and they must fit. So memory follows from what was checked, never from what a file claims.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor, fx, nn

from pruning.files import DESCRIPTION, WEIGHTS, durable
from pruning.files.description import Description, from_json, pack
from pruning.files.program import build, describe
from pruning.graph.inputs import Shapes, call, empty_batch
from pruning.graph.tracing import float_type, skeleton
from pruning.pruned import Pruned
from pruning.selection import Selection
from pruning.surgery import compact

MAX_BYTES = 2**26  # bytes of model.json; ResNet-152 with random kernels of every layer makes 5 MB
MAX_NAMES = 3  # names in a refusal
Weights = Mapping[str, Tensor]


def save(pruned: Pruned, folder: Path | str, dense: nn.Module | None = None) -> None:
    """Into the folder, which is made: weights, and how the small network is built again.

    That is by the name of the full-size one where it has an `origin`; else by the small one's own graph, or, where that
    holds what a file may not hold, from `dense`, the full-size network with any weights, which `load` then needs too.

        >>> import tempfile, torch, pruning
        >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3))
        >>> small = pruning.prune(model, torch.randn(1, 3, 16, 16), "l1", layer=0.5)
        >>> pruning.save(small, folder := tempfile.mkdtemp())
        >>> pruning.load(folder).network.get_submodule("0")
        Conv2d(3, 4, kernel_size=(3, 3), stride=(1, 1))

    Raises:
        ValueError: nothing is written: the network is not what its origin gives, or a file may not hold its graph.
    """
    if isinstance(folder, Pruned):  # until October 2026 the folder stood first
        pruned, folder = folder, pruned  # type: ignore[unreachable]
    if not isinstance(pruned, Pruned):
        raise ValueError(f"save() takes what pruning.prune gives, got a {type(pruned).__name__}")
    folder = Path(folder)
    program = describe(pruned.network) if pruned.origin is None and dense is None else None
    tensors = dict(pruned.network.named_buffers()) if program else {}  # also those that the state dict leaves out
    weights = {key: _copy_to_cpu(value) for key, value in (tensors | pruned.network.state_dict()).items()}
    content = to_bytes(weights)
    description = Description(
        pruned.origin,
        {name: pack(kernels) for name, kernels in pruned.selection.items()},
        pruned.image_shape,
        pruned.classes,
        pruned.preprocessing,
        hashlib.sha256(content).hexdigest(),
        {library: version(library) for library in ("torch", "torchvision", "timm") if _is_installed(library)},
        program,
        pruned.report,
    )
    rebuilt, _ = _rebuild(from_json(description.to_json()), dense)
    _load_weights(rebuilt, weights)
    _refuse_different(rebuilt, pruned.network)
    durable.make_folder(folder)
    durable.write(folder / WEIGHTS, content)
    durable.write(folder / DESCRIPTION, description.to_json())


def load(folder: Path | str, dense: nn.Module | None = None) -> Pruned:
    """The network of a folder, weights and outputs equal bit for bit to the saved one's; on the CPU.

    `dense` is for a folder without a name and a graph; one that has its graph does not look at it.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged, foreign, or fits no network; `dense` is missing or not needed.
    """
    folder = Path(folder)
    with _name_file_in_errors(folder / DESCRIPTION):
        description = from_json(_read_description(folder / DESCRIPTION))
        network, selection = _rebuild(description, dense)
    with _name_file_in_errors(folder / WEIGHTS):
        _load_weights(network, _read_weights(folder / WEIGHTS, network, description.sha256))
    return Pruned(
        network.eval(),
        selection,
        description.origin,
        description.image_shape,
        description.classes,
        description.preprocessing,
        description.report,
    )


def _rebuild(description: Description, dense: nn.Module | None) -> tuple[fx.GraphModule, Selection]:
    """The small network without numbers: all its tensors are on the meta device."""
    if description.program is not None:
        small = build(dict(description.program))
        _check_runs(small, description.image_shape)
        return small, description.own_selection()
    if (dense is None) == (description.origin is None):
        words = "cannot be built by name: give" if dense is None else f"is {description.origin}: do not give"
        raise ValueError(f"the full-size network {words} dense=")
    if description.origin is not None:
        bare = description.origin.skeleton(len(description.classes), _image(description))
    else:
        bare = skeleton(dense)  # type: ignore[arg-type]
    selection = description.selection(bare)
    return compact(bare, selection, description.image_shape), selection


def _image(description: Description) -> tuple[int, int, int]:
    shape = description.image_shape
    if not isinstance(shape, tuple) or [type(size) for size in shape] != [int] * 3:
        raise ValueError(f"{description.origin} takes images (channels, height, width), and image_shape is {shape}")
    channels, height, width = shape
    return channels, height, width


@torch.no_grad()
def _check_runs(network: nn.Module, image_shape: Shapes) -> None:
    """By shapes alone: what is described must fit together."""
    try:
        with torch.device("meta"):
            call(network.eval(), empty_batch(image_shape, 2, float_type(network)))
    except Exception as error:  # a layer may refuse in its own words
        words = " ".join(str(error).split())[:200]
        raise ValueError(f"the graph does not take images of {image_shape}: {words}") from error


def _tensors(network: nn.Module) -> Weights:
    """What a file must have for a network without numbers: its state, and buffers beside it."""
    return {name: value for name, value in network.named_buffers() if value.is_meta} | network.state_dict()


def _read_weights(path: Path, network: nn.Module, sha256: str) -> Weights:
    """Names, shapes and kinds of number are compared before a single weight is read."""
    try:
        with safe_open(path, framework="pt") as file:
            shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        _refuse_misfit(_tensors(network), shapes)
        with open(path, "rb") as content:
            if hashlib.file_digest(content, "sha256").hexdigest() != sha256:
                raise ValueError(f"its content is not what {DESCRIPTION} was written for: copy both files again")
        return {key: value.clone() for key, value in load_file(path).items()}  # clone: the file may change or vanish
    except SafetensorError as error:
        raise ValueError(f"not a whole safetensors file: {error}") from error


def _refuse_misfit(own: Weights, shapes: Mapping[str, tuple[int, ...]]) -> None:
    lacks, extra = sorted(own.keys() - shapes.keys()), sorted(shapes.keys() - own.keys())
    if lacks or extra:
        labelled = (("lacks", lacks), ("has besides", extra))
        words = [f"{label} {', '.join(keys[:MAX_NAMES])}" for label, keys in labelled if keys]
        raise ValueError(f"{' and '.join(words)}: it is of another network than {DESCRIPTION}")
    for key, shape in shapes.items():
        if shape != tuple(own[key].shape):
            raise ValueError(f"{key} has shape {shape}, the network needs {tuple(own[key].shape)}")


def _load_weights(network: nn.Module, weights: Weights) -> None:
    kinds = {key: value.is_floating_point() for key, value in _tensors(network).items()}
    if wrong := [key for key, value in weights.items() if value.is_floating_point() != kinds.get(key)]:
        raise ValueError(f"{wrong[0]} has numbers of another kind ({weights[wrong[0]].dtype}) than the network")
    state = network.state_dict().keys()
    network.load_state_dict({key: value for key, value in weights.items() if key in state}, strict=True, assign=True)
    for key in weights.keys() - state:
        holder, _, name = key.rpartition(".")
        setattr(network.get_submodule(holder), name, weights[key])
    if lost := [name for name, value in network.named_buffers() if value.is_meta]:
        raise ValueError(f"{lost[0]} is a buffer that the state dict leaves out: register it with persistent=True")


def _refuse_different(rebuilt: fx.GraphModule, network: nn.Module) -> None:
    """Same program, same tensors, those outside the state dict (numbers of channels) included."""
    same = isinstance(network, fx.GraphModule) and rebuilt.code == network.code
    pairs = zip(rebuilt.named_buffers(), network.named_buffers(), strict=True) if same else ()
    if not same or not all(a == b and torch.equal(x, y.cpu()) for (a, x), (b, y) in pairs):
        raise ValueError(
            "the network is not compact(dense, selection, image_shape) of this origin and selection, and so could not "
            "be loaded again: give those it was made with"
        )


@contextmanager
def _name_file_in_errors(path: Path) -> Iterator[None]:
    """A refusal names the file."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not a file: a pruned network is a folder of {WEIGHTS} and {DESCRIPTION}")
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_description(path: Path) -> bytes:
    with open(path, "rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"longer than {MAX_BYTES} bytes: not the description of a pruned network")
    return content


def _copy_to_cpu(value: Tensor) -> Tensor:
    """Dense, on the CPU, sharing memory with nothing."""
    return value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _is_installed(library: str) -> bool:
    from importlib.util import find_spec

    return find_spec(library) is not None

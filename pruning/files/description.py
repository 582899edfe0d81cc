"""model.json: everything about a pruned network but its weights. Whatever it says is checked before it is believed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor, nn

from pruning.files import bitmap
from pruning.files.report import read_report
from pruning.files.values import DTYPE_NAMES, DTYPES
from pruning.graph.inputs import Input, Shapes, map_inputs
from pruning.models.registry import Origin
from pruning.pruned import Preprocessing, Report
from pruning.selection import Selection, weight_of

MAX_SIDE = 2**16  # pixels a side
MAX_AXES, MAX_INPUTS = 4, 64  # of an input without its batch, of a network
FORMAT, VERSION = "cnn-pruning", 2  # raise the version when a field changes its meaning
READ = (1, 2)  # version 1 had neither program nor report
MAX_KERNELS = 2**27  # of all layers of a selection; ResNet-152 has 40 million


@dataclass(frozen=True)
class Description:
    """`kernels`: the selection, packed. `origin`: how the full-size network is built; None: it is the user's own, and
    `program` is the small network's graph, or None too where the full-size one is to be given."""

    origin: Origin | None
    kernels: Mapping[str, Any]
    image_shape: Shapes
    classes: tuple[str, ...]
    preprocessing: Preprocessing | None
    sha256: str  # of the weights
    versions: Mapping[str, str]
    program: Mapping[str, Any] | None = None
    report: Report | None = None

    def to_json(self) -> bytes:
        shapes = map_inputs(self.image_shape, encode_shape)
        values = {"format": FORMAT, "version": VERSION, **asdict(self), "image_shape": shapes}
        return (json.dumps(values, indent=1, allow_nan=False) + "\n").encode()

    def own_selection(self) -> Selection:
        """By the shapes that the description itself gives.

        Raises:
            ValueError: shapes beyond measure, kernels that do not fill them.
        """
        shapes = {name: _read_kernel_shape(name, packed) for name, packed in self.kernels.items()}
        if sum(shape.numel() for shape in shapes.values()) > MAX_KERNELS:
            raise ValueError(f"the selection is of more than {MAX_KERNELS} kernels")
        return Selection({name: unpack(name, packed, shapes[name]) for name, packed in self.kernels.items()})

    def selection(self, dense: nn.Module) -> Selection:
        """Unpacked against the layers it speaks of.

        Raises:
            ValueError: a layer that the network lacks, another shape, kernels that do not fill it.
        """
        weights = {name: weight_of(dense, name) for name in self.kernels}
        if unknown := [name for name, weight in weights.items() if weight is None]:
            raise ValueError(f"the selection names {unknown[0]!r}, which is not a convolution of the network")
        return Selection({n: unpack(n, packed, weights[n].shape[:2]) for n, packed in self.kernels.items()})  # type: ignore[union-attr]


def pack(kernels: Bool[Tensor, "out in"]) -> dict[str, Any]:
    return {"shape": list(kernels.shape), "kept": bitmap.encode(kernels.numpy())}


def unpack(name: str, packed: Any, shape: torch.Size) -> Bool[Tensor, "out in"]:
    """Makes no more than `shape` needs, whatever the text says."""
    stored = _read(packed, "shape", list), _read(packed, "kept", str)
    if stored[0] != list(shape):
        raise ValueError(f"the selection of {name!r} is of shape {str(stored[0])[:60]}, its layer is {list(shape)}")
    try:
        return torch.from_numpy(bitmap.decode(stored[1], *shape))
    except ValueError as error:
        raise ValueError(f"the selection of {name!r} is damaged: {error}") from error


def from_json(content: bytes) -> Description:
    """Raises ValueError for what is not a whole description of this version."""
    try:
        values = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(f"not the description of a pruned network: it lacks format={FORMAT!r}")
    if values.get("version") not in READ:
        raise ValueError(f"version {values.get('version')!r:.20}, this library reads {READ}: update the older one")
    values = {"program": None, "report": None} | values
    return Description(
        _read_origin(_read(values, "origin", dict | None)),
        _read(values, "kernels", dict),
        _read_image_shape(values),
        tuple(_read_list(values, "classes", str)),
        _read_preprocessing(_read(values, "preprocessing", dict | None)),
        _read(values, "sha256", str),
        _read(values, "versions", dict),
        _read(values, "program", dict | None),
        read_report(_read(values, "report", dict | None)),
    )


def _read_origin(values: Any) -> Origin | None:
    return None if values is None else Origin(_read(values, "builder", str), _read(values, "arguments", dict))


def _read_preprocessing(values: Any) -> Preprocessing | None:
    if values is None:
        return None
    mean, std = _read_triple(values, "mean", float), _read_triple(values, "std", float)
    if not all(math.isfinite(number) for number in mean + std) or min(std) <= 0:
        raise ValueError(f"mean must be finite and std above 0, got {mean} and {std}")
    return Preprocessing(mean, std, _read(values, "resize", int | None))


def _read_kernel_shape(name: str, packed: Any) -> torch.Size:
    shape = _read_list(packed, "shape", int)
    if len(shape) != 2 or not 1 <= min(shape) <= max(shape) <= MAX_KERNELS:
        raise ValueError(f"the selection of {name[:60]!r} is of shape {str(shape)[:60]}")
    return torch.Size(shape)


def encode_shape(shape: Input) -> list[int | str]:
    """As JSON; a type of number stands at the end by its name."""
    return [DTYPE_NAMES[part] if isinstance(part, torch.dtype) else part for part in shape]


def _read_image_shape(values: Any) -> Shapes:
    shapes = _read(values, "image_shape", list | dict)
    if isinstance(shapes, list) and not any(isinstance(part, list) for part in shapes):
        return _read_shape(shapes)
    if len(shapes) > MAX_INPUTS or not shapes:
        raise ValueError(f"image_shape must be of 1 to {MAX_INPUTS} inputs, got {len(shapes)}")
    if isinstance(shapes, list):
        return tuple(map(_read_shape, shapes))
    return {name: _read_shape(shape) for name, shape in shapes.items()}


def _read_shape(shape: Any) -> Input:
    sizes: list[Any] = shape if isinstance(shape, list) else [None]
    kinds = sizes[-1:] if sizes and isinstance(sizes[-1], str) else []
    sizes = sizes[: len(sizes) - len(kinds)]
    if len(sizes) > MAX_AXES or not all(type(size) is int and 1 <= size <= MAX_SIDE for size in sizes):
        raise ValueError(f"image_shape must be up to {MAX_AXES} numbers from 1 to {MAX_SIDE}, got {str(shape)[:60]}")
    if kinds and kinds[0] not in DTYPES:
        raise ValueError(f"image_shape must end in a type of number, got {kinds[0][:60]!r}")
    return (*sizes, *(DTYPES[kind] for kind in kinds))


def _read_triple(values: Any, key: str, kind: Any) -> Any:
    triple = _read_list(values, key, kind)
    if len(triple) != 3:
        raise ValueError(f"{key} must be three numbers, got {len(triple)}")
    return tuple(triple)


def _read_list(values: Any, key: str, kind: Any) -> list[Any]:
    items = _read(values, key, list)
    if misfits := [item for item in items if not isinstance(item, kind) or isinstance(item, bool)]:
        raise ValueError(f"{key} must be a list of {_type_name(kind)}, got {str(misfits[0])[:60]!r} in it")
    return items


def _read(values: Any, key: str, kind: Any) -> Any:
    if not isinstance(values, dict) or key not in values:
        raise ValueError(f"{key} is missing")
    value = values[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise ValueError(f"{key} must be {_type_name(kind)}, got {str(value)[:60]!r}")
    return value


def _type_name(kind: Any) -> str:
    return str(getattr(kind, "__name__", kind))

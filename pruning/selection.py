"""Selection: which 2D kernels of every convolution survive. The one currency between the stages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor, nn

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)
SELECTABLE = (*CONVOLUTIONS, nn.Linear)  # what a selection may speak of
Convolution = nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d


def any_of(flags: Bool[Tensor, "..."], axis: int) -> Bool[Tensor, "..."]:
    """flags.any(axis) of an axis that is not empty; on a CPU torch's own takes 30 to 130 times as long."""
    return flags.view(torch.uint8).amax(axis).view(torch.bool)


def both(flags: Bool[Tensor, "..."], others: Bool[Tensor, "..."]) -> Bool[Tensor, "..."]:
    """flags & others; of a matrix and a column torch's own takes 25 times as long on a CPU."""
    return (flags.view(torch.uint8) & others.view(torch.uint8)).view(torch.bool)


def count(flags: Bool[Tensor, "..."]) -> int:
    """How many are set, on the CPU; torch's own sum makes whole numbers of them first, and takes 90 times as long."""
    return int(np.count_nonzero(flags.numpy()))


def convolutions(network: nn.Module) -> dict[str, Convolution]:
    """Every convolution of a network, subclasses included, by dotted name, in order of registration."""
    return {name: module for name, module in network.named_modules() if isinstance(module, CONVOLUTIONS)}


def filters_first(weight: Tensor, layer: object) -> Tensor:
    """A layer's weight as [out, in / groups, ...], or one of that shape as the layer stores it; a view.

    Torch stores that of a transposed convolution as [in, out / groups, ...].
    """
    swapped = isinstance(layer, TRANSPOSED) and layer.groups == 1
    return weight.transpose(0, 1) if swapped else weight


def weight_of(network: nn.Module, name: str) -> Tensor | None:
    """The weight that a selection speaks of by this name, filters first: a layer's, or a parameter by its own name.

    None where there is none with rows and columns.
    """
    holder, _, last = name.rpartition(".")
    try:
        layer = network.get_submodule(holder)
        own = getattr(layer, last) if last else layer
        weight = own if isinstance(own, Tensor) else own.weight
    except AttributeError:
        return None
    return filters_first(weight, own) if isinstance(weight, Tensor) and weight.ndim > 1 else None


def _checked_weight(network: nn.Module, name: str) -> Tensor:
    weight = weight_of(network, name)
    if weight is None:
        names = _list_names(convolutions(network))
        raise ValueError(f"selection names {name!r}, which is not a convolution of the network; it has {names}")
    return weight


class Selection(Mapping[str, Tensor]):
    """Per convolution the 2D kernels that survive: boolean, of shape [out, in / groups].

    It may speak of linear layers too, whose kernels are single weights. A layer that is not named survives whole.
    Values are copies on the CPU and are not to be written to.

    Raises:
        ValueError: a mask that is not a boolean matrix, or that keeps nothing at all.
    """

    def __init__(self, masks: Mapping[str, Tensor]) -> None:
        self._masks = {name: _check_mask(name, mask) for name, mask in masks.items()}

    @classmethod
    def full(cls, network: nn.Module) -> Selection:
        """Everything survives; names all convolutions."""
        return cls({name: _full_mask(conv) for name, conv in convolutions(network).items()})

    @classmethod
    def of_rows(cls, network: nn.Module, rows: Mapping[str, Bool[Tensor, " out"]]) -> Selection:
        """Whole filters survive or go; layers that are not named survive whole."""
        weights = {name: _checked_weight(network, name) for name in rows}
        masks = {name: _full_mask(conv) for name, conv in convolutions(network).items()}
        return cls(masks | {name: row.cpu()[:, None].expand(weights[name].shape[:2]) for name, row in rows.items()})

    @classmethod
    def of_masks(cls, network: nn.Module) -> Selection:
        """What the masks of torch.nn.utils.prune leave: a kernel survives where its mask has anything but zeros.

        To compact the network, make them permanent first: torch.nn.utils.prune.remove(layer, "weight").

        Raises:
            ValueError: no convolution has a mask; as the constructor.
        """
        masks = {
            name: filters_first(layer.get_buffer("weight_mask"), layer).flatten(2).any(2)
            for name, layer in convolutions(network).items()
            if hasattr(layer, "weight_mask")
        }
        if not masks:
            raise ValueError("no convolution of the network has a mask of torch.nn.utils.prune (weight_mask)")
        return cls(masks)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Selection:
        return cls({name: torch.from_numpy(np.array(array)) for name, array in arrays.items()})

    def to_arrays(self) -> dict[str, np.ndarray]:
        return {name: mask.numpy().copy() for name, mask in self._masks.items()}

    def kept(self, name: str) -> int:
        """Filters of which at least one kernel survives."""
        return count(any_of(self._masks[name], 1))

    def total(self, name: str) -> int:
        return len(self._masks[name])

    def without_columns(self, dropped: Mapping[str, Bool[Tensor, " in"]]) -> Selection:
        """The same selection with input channels of some convolutions dropped too."""
        return Selection({n: m & ~dropped[n].cpu() if n in dropped else m for n, m in self._masks.items()})

    def check(self, network: nn.Module) -> None:
        """Raise ValueError unless every name is a layer of the network that has a weight, and every shape is its."""
        for name, mask in self._masks.items():
            shape = tuple(_checked_weight(network, name).shape[:2])
            if tuple(mask.shape) != shape:
                raise ValueError(
                    f"selection of {name!r} must have the shape {shape} of its weight, got {tuple(mask.shape)}"
                )

    def __getitem__(self, name: str) -> Tensor:
        return self._masks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Selection) or self.keys() != other.keys():
            return False
        return all(torch.equal(mask, other[name]) for name, mask in self._masks.items())

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        rows = ", ".join(f"{name} {self.kept(name)}/{self.total(name)}" for name in self._masks)
        return f"Selection({rows})"


def _full_mask(layer: Any) -> Tensor:
    return torch.ones((), dtype=torch.bool).expand(filters_first(layer.weight, layer).shape[:2])


def _check_mask(name: str, mask: Tensor) -> Tensor:
    if mask.dtype != torch.bool or mask.ndim != 2:
        raise ValueError(
            f"selection of {name!r} must be a boolean matrix, got {mask.dtype} of shape {tuple(mask.shape)}"
        )
    mask = mask.detach().cpu().clone(memory_format=torch.contiguous_format)
    if not mask.numpy().any():
        raise ValueError(
            f"selection empties {name!r}: at least one kernel must survive; lower the ratio for this layer"
        )
    return mask


def _list_names(convs: Mapping[str, nn.Module]) -> str:
    names = list(convs)
    return ", ".join(names[:4]) + (f" ... ({len(names)} in all)" if len(names) > 4 else "")

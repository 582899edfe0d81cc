"""Trained weights from a file instead of training. Nothing in a file is ever executed."""

import pickle
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

Weights = dict[str, Tensor]
COUNTER = "num_batches_tracked"  # of batch norm: unused with a momentum, and older files lack it
SHOWN = 3  # keys named in a refusal


def load(network: nn.Module, path: Path) -> None:
    """In place. Raises ValueError unless every weight is there with its shape and nothing else is."""
    weights = {key.removeprefix("module."): value for key, value in read(path).items()}  # DataParallel's prefix
    refuse_misfit(network.state_dict(), weights, path)
    for key, value in weights.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ValueError(f"baseline={path}: {key} is not finite; train it again, or take an earlier checkpoint")
    network.load_state_dict(weights, strict=False)


def read(path: Path) -> Weights:
    if not path.is_file():
        raise FileNotFoundError(f"baseline={path} is not a file: give a .safetensors file or a weights-only state dict")
    try:
        found = (
            load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, KeyError) as error:
        first = str(error).partition("\n")[0]
        raise ValueError(
            f"baseline={path} cannot be read as safetensors or a weights-only state dict: {first}"
        ) from error
    found = found.get("state_dict", found) if isinstance(found, dict) else found
    if not isinstance(found, dict) or not all(isinstance(value, Tensor) for value in found.values()):
        raise ValueError(f"baseline={path} holds no state dict (names to tensors): save network.state_dict()")
    return found


def refuse_misfit(wanted: Weights, found: Weights, path: Path) -> None:
    for key in wanted.keys() & found.keys():
        if wanted[key].shape != found[key].shape:
            raise ValueError(misshapen(key, wanted[key], found[key], path))
    missing = sorted(key for key in wanted.keys() - found.keys() if not key.endswith(COUNTER))
    extra = sorted(found.keys() - wanted.keys())
    if missing or extra:
        words = [f"{label} {some(keys)}" for label, keys in (("lacks", missing), ("has besides", extra)) if keys]
        raise ValueError(
            f"baseline={path} {' and '.join(words)}: it is of another network; set model= to the one it was trained as"
        )


def misshapen(key: str, wanted: Tensor, found: Tensor, path: Path) -> str:
    shapes = f"baseline={path}: {key} has shape {tuple(found.shape)}, this network needs {tuple(wanted.shape)}"
    if wanted.shape[1:] == found.shape[1:] and wanted.ndim <= 2:
        return f"{shapes}: trained for {len(found)} classes, data= has {len(wanted)}; choose the data it was trained on"
    return f"{shapes}; set model= to the network it was trained as"


def some(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more

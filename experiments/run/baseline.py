"""Trained weights from a file instead of training. Nothing in a file is ever executed."""

import pickle
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from experiments.system.console import log

Weights = dict[str, Tensor]
COUNTER = "num_batches_tracked"  # of batch norm: unused with a momentum, and older files lack it
HOLDERS = ("state_dict", "model_state_dict", "model", "state_dict_ema", "model_ema")  # where checkpoints keep weights
AVERAGES = ("state_dict_ema", "model_ema")
SHOWN = 3  # keys named in a refusal


def load(network: nn.Module, path: Path) -> None:
    """In place. Raises ValueError unless every weight is there with its shape and nothing else is."""
    weights = strip_prefix(network.state_dict(), read(path), path)
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
        if first.startswith("Weights only load failed"):  # torch goes on to say how to run the file's code
            first = "it is damaged, or holds Python objects, which are never made: save network.state_dict()"
        raise ValueError(
            f"baseline={path} cannot be read as safetensors or a weights-only state dict: {first}"
        ) from error
    return state_dict(found, path)


def state_dict(found: Any, path: Path) -> Weights:
    """Of what people save: the weights themselves, or a checkpoint that holds them under a name."""
    held = [name for name in HOLDERS if is_weights(found.get(name))] if isinstance(found, dict) else []
    if held:
        if len(held) > 1 or held[0] in AVERAGES:
            log(f"baseline={path} holds {' and '.join(held)}: {held[0]} is taken")
        return found[held[0]]  # type: ignore[no-any-return]
    if not is_weights(found):
        raise ValueError(f"baseline={path} holds no state dict (names to tensors): save network.state_dict()")
    return found  # type: ignore[no-any-return]


def is_weights(value: Any) -> bool:
    return isinstance(value, dict) and bool(value) and all(isinstance(each, Tensor) for each in value.values())


def strip_prefix(wanted: Weights, found: Weights, path: Path) -> Weights:
    """The network's weights without the prefix that all of them stand behind; a checkpoint's other parts stay away."""
    fitting = prefixes(wanted, found)
    if not fitting or "" in fitting:
        return found
    plain = [each for each in fitting if "ema" not in each] or fitting
    if len(plain) > 1:
        raise ValueError(
            f"baseline={path} holds this network behind each of {', '.join(plain)}: save one of them alone"
        )
    if len(fitting) > 1:
        log(f"baseline={path} holds {' and '.join(fitting)}: {plain[0]} is taken")
    return {key.removeprefix(plain[0]): value for key, value in found.items() if key.startswith(plain[0])}


def prefixes(wanted: Weights, found: Weights) -> list[str]:
    """Behind which every weight of the network is found: `module.`, `model.`, `_orig_mod.`, whatever it is."""
    keys = [key for key in wanted if not key.endswith(COUNTER)]
    first = keys[0] if keys else ""
    starts = sorted({key.removesuffix(first) for key in found if key == first or key.endswith(f".{first}")})
    return [start for start in starts if all(start + key in found for key in keys)]


def refuse_misfit(wanted: Weights, found: Weights, path: Path) -> None:
    for key in wanted:
        if key in found and wanted[key].shape != found[key].shape:
            raise ValueError(describe_shapes(key, wanted, found, path))
    missing = sorted(key for key in wanted.keys() - found.keys() if not key.endswith(COUNTER))
    extra = sorted(found.keys() - wanted.keys())
    if missing or extra:
        words = [f"{label} {first_keys(keys)}" for label, keys in (("lacks", missing), ("has besides", extra)) if keys]
        raise ValueError(
            f"baseline={path} {' and '.join(words)}: it is of another network; set model= to the one it was trained as"
        )


def describe_shapes(key: str, wanted: Weights, found: Weights, path: Path) -> str:
    mine, theirs = wanted[key], found[key]
    shapes = f"baseline={path}: {key} has shape {tuple(theirs.shape)}, this network needs {tuple(mine.shape)}"
    if key.rpartition(".")[0] == classifier(wanted) and mine.shape[1:] == theirs.shape[1:]:
        classes = f"trained for {len(theirs)} classes, data= has {len(mine)}"
        return f"{shapes}: {classes}; choose the data it was trained on"
    return f"{shapes}; set model= to the network it was trained as"


def classifier(weights: Weights) -> str:
    """The last module with a matrix, by its name: what has one output for each class."""
    matrices = [key for key, value in weights.items() if value.ndim >= 2]
    return matrices[-1].rpartition(".")[0] if matrices else ""


def first_keys(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more

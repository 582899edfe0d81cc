"""Trained weights from a file instead of training. Nothing in a file is ever executed."""

import pickle
from pathlib import Path
from typing import TypeGuard

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


def load(network: nn.Module, path: Path) -> bool:
    """In place. Whether all of the network is trained: of weights for other classes the classifier starts afresh.

    Raises ValueError unless every other weight is there with its shape and nothing else is.
    """
    weights = strip_prefix(network.state_dict(), read_weights(path), path)
    fresh = classifier_of_other_classes(network.state_dict(), weights)
    refuse_misfit(network.state_dict(), weights | fresh, path)
    for key, value in weights.items():
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise ValueError(f"baseline={path}: {key} is not finite; train it again, or take an earlier checkpoint")
    network.load_state_dict(weights | fresh, strict=False)
    for key in list(fresh)[:1]:
        log(
            f"baseline={path} was trained for {len(weights[key])} classes, data= has {len(fresh[key])}: layer "
            f"{key.rpartition('.')[0]} starts afresh, and stage baseline trains the whole network"
        )
    return not fresh


def read_weights(path: Path) -> Weights:
    if not path.is_file():
        raise FileNotFoundError(
            f"baseline={path} is not a file: give a .safetensors file or a weights-only state dict, or the folder of "
            "a pruned network, outputs/RUN/network"
        )
    try:
        loaded = (
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
    return extract_state_dict(loaded, path)


def extract_state_dict(loaded: object, path: Path) -> Weights:
    """Of what people save: the weights themselves, or a checkpoint that holds them under a name."""
    named = {name: loaded.get(name) for name in HOLDERS} if isinstance(loaded, dict) else {}
    holders = {name: held for name, held in named.items() if is_weights(held)}
    if holders:
        first = next(iter(holders))
        if len(holders) > 1 or first in AVERAGES:
            log(f"baseline={path} holds {' and '.join(holders)}: {first} is taken")
        return holders[first]
    if not is_weights(loaded):
        raise ValueError(f"baseline={path} holds no state dict (names to tensors): save network.state_dict()")
    return loaded


def is_weights(value: object) -> TypeGuard[Weights]:
    return isinstance(value, dict) and bool(value) and all(isinstance(tensor, Tensor) for tensor in value.values())


def strip_prefix(expected: Weights, weights: Weights, path: Path) -> Weights:
    """The network's weights without the prefix that all of them stand behind; a checkpoint's other parts stay away."""
    behind = prefixes(expected, weights)
    if not behind or "" in behind:
        return weights
    without_ema = [prefix for prefix in behind if "ema" not in prefix] or behind
    if len(without_ema) > 1:
        raise ValueError(
            f"baseline={path} holds this network behind each of {', '.join(without_ema)}: save one of them alone"
        )
    if len(behind) > 1:
        log(f"baseline={path} holds {' and '.join(behind)}: {without_ema[0]} is taken")
    return {key.removeprefix(without_ema[0]): value for key, value in weights.items() if key.startswith(without_ema[0])}


def prefixes(expected: Weights, weights: Weights) -> list[str]:
    """Behind which every weight of the network is found: `module.`, `model.`, `_orig_mod.`, whatever it is."""
    keys = [key for key in expected if not key.endswith(COUNTER)]
    first = keys[0] if keys else ""
    candidates = sorted({key.removesuffix(first) for key in weights if key == first or key.endswith(f".{first}")})
    return [prefix for prefix in candidates if all(prefix + key in weights for key in keys)]


def refuse_misfit(expected: Weights, weights: Weights, path: Path) -> None:
    for key in expected:
        if key in weights and expected[key].shape != weights[key].shape:
            raise ValueError(describe_shapes(key, expected, weights, path))
    missing = sorted(key for key in expected.keys() - weights.keys() if not key.endswith(COUNTER))
    extra = sorted(weights.keys() - expected.keys())
    if missing or extra:
        words = [f"{label} {first_keys(keys)}" for label, keys in (("lacks", missing), ("has besides", extra)) if keys]
        raise ValueError(
            f"baseline={path} {' and '.join(words)}: it is of another network; set model= to the one it was trained as"
        )


def describe_shapes(key: str, expected: Weights, weights: Weights, path: Path) -> str:
    shapes = f"has shape {tuple(weights[key].shape)}, this network needs {tuple(expected[key].shape)}"
    return f"baseline={path}: {key} {shapes}; set model= to the network it was trained as"


def classifier_of_other_classes(expected: Weights, weights: Weights) -> Weights:
    """The network's own classifier, where the file has one for another number of classes."""
    layer = classifier_name(expected)
    own = {key: value for key, value in expected.items() if key.rpartition(".")[0] == layer}
    given = [weights[key] for key in own if key in weights]
    counts = {len(value) for value in given if value.ndim}
    fits = len(given) == len(own) and len(counts) == 1
    rows_alone = fits and all(own[key].shape[1:] == weights[key].shape[1:] for key in own)
    return own if rows_alone and counts != {len(value) for value in own.values()} else {}


def classifier_name(weights: Weights) -> str:
    """The last module with a matrix, by its name: what has one output for each class."""
    matrices = [key for key, value in weights.items() if value.ndim >= 2]
    return matrices[-1].rpartition(".")[0] if matrices else ""


def first_keys(keys: list[str]) -> str:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more

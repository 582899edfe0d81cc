"""Any classification network of torchvision or timm, by name."""

import difflib
import pickle
from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from pruning.arguments import key

Shape = tuple[int, int, int]
AUXILIARY = {"googlenet", "inception_v3"}  # heads that only training uses, and that no small network has


def torchvision_network(
    name: str, classes: int, image_shape: Shape, weights: str | None = None, seed: int = 0
) -> nn.Module:
    """A torchvision network with its own initial weights, without auxiliary heads.

    `weights` is one of torchvision's own (`DEFAULT`, `IMAGENET1K_V1`; downloaded); a classifier for other classes than
    theirs starts afresh. A file of weights is `baseline=`.

    Raises:
        ValueError: torchvision has no such network or weights; the ones it has are named.
        OSError: the weights cannot be fetched.
    """
    from torchvision import models  # seconds of import that our own networks do without

    known = models.list_models(module=models)
    if name not in known:
        raise ValueError(
            f"{key('name')} must be one of torchvision's classification networks, got {name!r}; "
            f"{_near_names(name, known)}"
        )
    options: dict[str, Any] = {}
    if name in AUXILIARY:
        options = {"aux_logits": False, "transform_input": False, "init_weights": True}
    pretrained = None if weights is None else _fetch_weights(name, weights)  # asked first: it may fail
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = models.get_model(name, weights=None, num_classes=classes, **options)
    if pretrained is not None:
        _load_matching(network, pretrained, name)
    return network


def timm_network(name: str, classes: int, image_shape: Shape, weights: str | None = None, seed: int = 0) -> nn.Module:
    """A network of timm with its own initial weights; `weights` is one of timm's tags (`a1_in1k`) or `DEFAULT`.

    Raises:
        ValueError: timm has no such network or weights, or is not installed.
        OSError: the weights cannot be fetched.
    """
    try:
        import timm
    except ImportError as error:
        raise ValueError(f"{key('name')}={name} of timm needs it: pip install 'cnn-pruning[timm]'") from error
    known = timm.list_models()
    if name not in known:  # nothing with a scheme such as hf-hub: or local-dir: gets to timm
        raise ValueError(f"{key('name')} must be one of timm's networks, got {name!r}; {_near_names(name, known)}")
    full = name if weights in (None, "DEFAULT") else f"{name}.{weights}"
    tags = {name: name.partition(".")[2] for name in timm.list_pretrained(f"{name}.*")}
    if weights is not None and not (full in tags or (full == name and tags)):
        raise ValueError(_weights_message(f"timm's {name}", tags.values(), weights))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return timm.create_model(full, pretrained=weights is not None, num_classes=classes)


def _near_names(name: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(name, known, n=4, cutoff=0.3)
    return f"near: {', '.join(close)}"


def _weights_message(whose: str, names: Collection[str], weights: str) -> str:
    choices = f"one of {', '.join(names)}" if names else "null, there are none"
    return f"{key('weights')} of {whose} must be {choices}, got {weights!r}; a file of weights is baseline=PATH"


def _fetch_weights(name: str, weights: str) -> dict[str, Tensor]:
    """Of torchvision, from its cache or by download."""
    from torchvision import models

    offered = models.get_model_weights(name)
    if weights not in offered.__members__:
        raise ValueError(_weights_message(f"torchvision's {name}", offered.__members__, weights))
    entry, remedy = offered[weights], "fetch it elsewhere and give baseline=PATH"
    try:
        return dict(entry.get_state_dict(progress=False, check_hash=True, weights_only=True))
    except OSError as error:
        words = f"{key('weights')}={weights} of {name} cannot be fetched from {entry.url} ({error})"
        raise OSError(f"{words}: {remedy}") from error
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:  # what was fetched once is kept by torch.hub
        words = f"{key('weights')}={weights} of {name} cannot be read as plain weights, {entry.url} is damaged"
        raise ValueError(f"{words}: {remedy}") from error


def _load_matching(network: nn.Module, pretrained: dict[str, Tensor], name: str) -> None:
    """In place, all but what belongs to other classes than the network's, or to auxiliary heads."""
    own = network.state_dict()
    fits = {key: value for key, value in pretrained.items() if key in own and own[key].shape == value.shape}
    missing = [key for key in own if key not in fits and not key.endswith("num_batches_tracked")]
    head = {key.rpartition(".")[0] for key in missing}
    if len(head) > 1:
        raise ValueError(
            f"torchvision's weights of {name} fit this network nowhere near its classifier: {', '.join(missing[:3])}"
        )
    network.load_state_dict(fits, strict=False)

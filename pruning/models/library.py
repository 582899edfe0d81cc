"""Any classification network of torchvision, by name."""

import torch
from torch import nn


def torchvision_network(
    name: str, classes: int, image_shape: tuple[int, int, int], weights: str | None = None, seed: int = 0
) -> nn.Module:
    """A torchvision network with its own initial weights, without auxiliary heads.

    `weights` is one of torchvision's own (`DEFAULT`, `IMAGENET1K_V1`; downloaded). A file of weights is `baseline=`.

    Raises:
        ValueError: torchvision has no network of that name; the nearest names are given.
    """
    from torchvision import models

    known = models.list_models(module=models)
    if name not in known:
        import difflib

        near = ", ".join(difflib.get_close_matches(name, known, n=4, cutoff=0.3))
        raise ValueError(f"model.name must be one of torchvision's classification networks, got {name!r}; near: {near}")
    extra: dict[str, object] = (
        {"aux_logits": False, "transform_input": False} if name in {"googlenet", "inception_v3"} else {}
    )
    if extra and weights is None:
        extra["init_weights"] = True
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return models.get_model(name, weights=weights, num_classes=classes, **extra)

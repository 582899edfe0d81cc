"""The public functions: prune at once, attach for a loop of one's own, plan without cutting, export for others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from pruning.batches import Batches, split_batch
from pruning.deploy.int8 import onnx_int8
from pruning.files.export import onnx
from pruning.graph.attachments import duplicate
from pruning.graph.inputs import Batch
from pruning.methods.base import PruningMethod
from pruning.methods.build import Method, build_method
from pruning.planning import Plan, make_plan
from pruning.pruned import Pruned
from pruning.pruner import Pruner
from pruning.repair.names import NONE, needs_images, repair_names
from pruning.wrappers import open_model


def prune(
    model: nn.Module,
    example: Batch,
    method: Method = "l1",
    *,
    data: Batches | None = None,
    loss: Callable[[Any, Any], Tensor] = F.cross_entropy,
    repair: str | Sequence[str] = NONE,
    **arguments: Any,
) -> Pruned:
    """A physically smaller copy of a network, with proof that it computes what the masked network computes.

    >>> import torch, pruning
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(), torch.nn.Conv2d(8, 4, 3))
    >>> small = pruning.prune(model, torch.randn(1, 3, 16, 16), "l1", layer=0.5)
    >>> small.network.get_submodule("0").out_channels, model[0].out_channels
    (4, 8)

    Args:
        model: any network that torch.fx can trace; it is not changed. Of a DataParallel, a compiled network or a
            LightningModule the network inside.
        example: a batch of images, (batch, channels, height, width) or of other axes; a network of several inputs is
            given a tuple of tensors, or a dict of them by the names of forward's arguments. Only shape, dtype and
            device count. Arguments of forward that are left out have their defaults.
        method: a name (dense random l1 fcf group2d, or a criterion of `pruning.methods.criteria.CRITERIA`: l2 fpgm
            whc ...), a PruningMethod (class or instance), or a Selection made already.
        data: batches of images, or of (images, labels), where several inputs are a tuple or a dict, as in `example`;
            what the method scores by, if it needs any, and the first of them is what the certificate is made on.
            Without it the certificate is made on random images.
        loss: of the network's outputs and the labels, for methods that score by gradients.
        repair: what is mended without training, after the certificate: "ls" (least squares, layer by layer, towards
            what the layers of the whole network make), "bn" (statistics of the norms), "merge" (readers of removed
            filters read the nearest kept ones), or several, as "merge,ls"; bn and ls look at up to 400 images of data.
        arguments: one of macs= params= filters= layer= budget= (the share to remove), allocation= (which layers give
            how much of it: uniform own l1 lamp erk isomorphic random), include= exclude= (patterns of layers), joined=
            (keep, expand, couple), grouped= (keep, inside, whole), linear= (True: linear layers too), and what the
            method takes: `pruning.methods.build.build_method`.

    Raises:
        ValueError: the value, the rule and the remedy; nothing was done.
    """
    built = build_method(method, **arguments)
    if (built.needs_training or built.observes) and not (built.observes and data is not None):
        raise ValueError(_training_message(built))
    names = repair_names(repair)
    if needs_images(names) and data is None:
        raise ValueError(f"repair={','.join(names)} looks at images: give prune() data=, batches of images")
    (network, image_shape), batches = open_model(model, example), list(data) if data is not None else []
    pruner = Pruner(duplicate(network), built, image_shape, steps=int(built.needs_training))
    if built.observes:
        pruner.observe(batches, loss)
    return pruner.finish(split_batch(batches[0], image_shape)[0] if batches else None, names, batches)


def attach(model: nn.Module, example: Batch, method: Method, *, steps: int = 0, **arguments: Any) -> Pruner:
    """Put a method on a network, in place, for a loop of one's own: see `Pruner`, whose `finish` gives the small one.

    Args:
        model, example, method, arguments: as in `prune`.
        steps: of the optimiser until `finish`.

    Raises:
        ValueError: as `prune`, and where the steps are too few for the method; the network is as it was.
    """
    if type(steps) is not int or steps < 0:
        raise ValueError(f"steps must be a whole number, 0 or more, got {steps!r:.60}")
    network, image_shape = open_model(model, example)
    return Pruner(network, build_method(method, **arguments), image_shape, steps)


def plan(model: nn.Module, example: Batch, method: Method = "l1", *, steps: int = 10_000, **arguments: Any) -> Plan:
    """What `prune` or `attach` would leave of a network, printed as a table; nothing is trained or cut.

    Args:
        model, example, method, arguments: as in `prune`; the network is not changed.
        steps: that a method which learns would have.

    Raises:
        ValueError: as `prune`.
    """
    network, image_shape = open_model(model, example)
    return make_plan(network, build_method(method, **arguments), image_shape, steps)


def export(
    network: Pruned | nn.Module, path: Path | str, example: Batch | None = None, *, int8: Batches | None = None
) -> float:
    """Write a network in eval as an ONNX file, for any number of images, once ONNX Runtime has run it.

    Returns the largest difference that it shows on random images, relative to the largest output; with `int8` that
    between ONNX Runtime's integers and a simulation, on the first images given.

    Args:
        network: pruned, or any plain one.
        path: of the file.
        example: as in `prune`; only a plain network needs it.
        int8: batches of images, or of (images, labels), whose labels nobody reads: the file computes in eight-bit
            integers, in the ranges that these images show. A few hundred training images do.

    Raises:
        ValueError: ONNX is not installed (`pip install 'cnn-pruning[export]'`), or the file would compute something
            else; nothing is written.
    """
    if isinstance(network, Pruned):
        plain, image_shape = network.network, network.image_shape
    elif example is None:
        raise ValueError("a plain network does not know its images: give export() an example, one batch of them")
    else:
        plain, image_shape = open_model(network, example)
    if int8 is None:
        return onnx(plain, image_shape, path)
    return onnx_int8(plain, image_shape, path, (split_batch(batch, image_shape)[0] for batch in int8)).difference


def _training_message(method: PruningMethod) -> str:
    if method.observes:
        return f"{method} scores by what batches show it: give prune() data=, batches of (images, labels)"
    return (
        f"{method} learns what to remove while the network trains, and prune() trains nothing: take pruner = "
        "pruning.attach(model, example, ...) in a loop of your own, or pruning.PruningCallback in a Trainer"
    )

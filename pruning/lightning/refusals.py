"""What cannot be pruned in a Trainer, said before its first step: the value, the rule, the remedy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import nn
from torch.optim import LBFGS, Optimizer

from pruning.batches import example_shapes
from pruning.graph.inputs import Shapes
from pruning.methods.base import PruningMethod
from pruning.pruned import Pruned
from pruning.repair.names import needs_images
from pruning.selection import Selection


def refuse_missing_data(method: PruningMethod, data: object) -> None:
    if method.observes and not method.needs_training and data is None:
        raise ValueError(
            f"{method} scores by what batches show it: give PruningCallback data=, batches of (images, labels)"
        )


def refuse_missing_images(repairs: Sequence[str], data: object) -> None:
    if needs_images(repairs) and data is None:
        raise ValueError(f"repair={','.join(repairs)} looks at images: give PruningCallback data=, batches of images")


def refuse_moment(method: PruningMethod, epochs: int | None, at_epoch: int) -> None:
    """Raises ValueError for a cut that the method could not be ready for."""
    kind = str(method)
    for name, value in (("epochs", epochs), ("at_epoch", at_epoch)):
        if value is not None and type(value) is not int:
            raise ValueError(f"{name}= must be a whole number of epochs, got {value!r}")
    if method.needs_training and (epochs is None or epochs < 1 or at_epoch):
        raise ValueError(
            f"{kind} learns while the network trains, from the start: give epochs=, 1 or more, and no at_epoch=; got "
            f"epochs={epochs} and at_epoch={at_epoch}"
        )
    if not method.needs_training and (epochs is not None or at_epoch < 0):
        raise ValueError(
            f"{kind} decides at once: at_epoch=, 0 or more, says when, and epochs= is for methods that learn; got "
            f"epochs={epochs} and at_epoch={at_epoch}"
        )


def find_network(pl_module: LightningModule, name: str) -> nn.Module:
    """Raises ValueError unless the attribute of that dotted name is a module that can be cut."""
    kind, network = type(pl_module).__name__, pl_module
    for part in name.split("."):
        if not hasattr(network, part):
            raise ValueError(
                f"network={name!r}: {kind} has no such attribute in setup; name the one that holds the network to "
                "prune, and make it in __init__"
            )
        network = getattr(network, part)
    if not isinstance(network, nn.Module):
        raise ValueError(f"network={name!r} of {kind} is a {type(network).__name__}, and must be a torch.nn.Module")
    refuse_compiled(pl_module, network, name)
    return network


def refuse_compiled(pl_module: LightningModule, network: nn.Module, name: str) -> None:
    compiled = hasattr(network, "_orig_mod") or network._compiled_call_impl is not None  # torch.compile, or in place
    if compiled or pl_module._compiler_ctx is not None:
        what = repr(name) if compiled else type(pl_module).__name__
        raise ValueError(f"{what} is compiled, and a compiled network cannot be cut: compile what is left afterwards")


def refuse_strategy(trainer: Trainer) -> None:
    """Raises ValueError where processes do not hold the whole network each, or give none back."""
    strategy = trainer.strategy
    start = getattr(strategy, "_start_method", "popen")
    if start != "popen":
        raise ValueError(
            f"strategy=ddp_{start}: the small network would stay in the processes that it starts; take strategy='ddp'"
        )
    if not isinstance(strategy, (DDPStrategy, SingleDeviceStrategy)):
        raise ValueError(
            f"strategy {type(strategy).__name__} splits the network over processes, and a cut needs it whole: take "
            "strategy='ddp' or one device"
        )


def find_image_shape(pl_module: LightningModule, example: Any, name: str) -> Shapes:
    """Raises ValueError where nobody says what images look like: a batch is seen only after the optimiser is made."""
    given = pl_module.example_input_array if example is None else example
    if given is None:
        raise ValueError(
            f"example= must be a batch of images that {name!r} is given, (batch, channels, height, width), got "
            f"nothing: give PruningCallback example=, or set example_input_array in {type(pl_module).__name__}"
        )
    return example_shapes(given)


def refuse_short(trainer: Trainer, epochs: int, steps: int) -> None:
    """Raises ValueError for a Trainer that ends before the network is cut."""
    limits = {"max_epochs": (trainer.max_epochs, epochs), "max_steps": (trainer.max_steps, steps)}
    for name, (limit, needed) in limits.items():
        if limit is not None and -1 < limit < needed:
            raise ValueError(
                f"the Trainer's {name}={limit} ends before the network is cut, after {epochs} epochs: raise {name} to "
                f"{needed} or more, or cut earlier"
            )


def refuse_optimizers(pl_module: LightningModule, name: str, learns: bool, holders: list[Optimizer]) -> None:
    """Raises ValueError where no optimiser trains the network, or one that keeps all parameters as one vector."""
    if learns and not holders:
        raise ValueError(
            f"no optimiser of {type(pl_module).__name__} has parameters of {name!r}: return one from "
            "configure_optimizers, or take a method that decides at once, such as l1"
        )
    if any(isinstance(optimizer, LBFGS) for optimizer in holders):
        raise ValueError(
            f"LBFGS trains {name!r} and keeps all parameters as one vector, which cannot be cut: take SGD or Adam"
        )


def refuse_unseen(trainer: Trainer, method: PruningMethod, unseen: int) -> None:
    """Raises RuntimeError after an epoch without a step that the Trainer knows of."""
    if unseen >= trainer.num_training_batches:
        raise RuntimeError(
            f"no step of an optimiser was seen in epoch {trainer.current_epoch}, so {method} has "
            "learned nothing: with manual optimisation take self.optimizers().step(), of which the Trainer hears"
        )


def refuse_other_selection(pruned: Pruned, state: Mapping[str, Any], name: str) -> None:
    """Raises ValueError for a checkpoint of another structure than the network already has."""
    if "selection" not in state or Selection(state["selection"]) != pruned.selection:
        what = "other filters are left" if "selection" in state else "it is not cut yet"
        raise ValueError(
            f"{name!r} is cut, and in the checkpoint {what}: load that into a new {type(pruned.network).__name__} of "
            "full size"
        )

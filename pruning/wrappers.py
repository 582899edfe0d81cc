"""The network inside of what wraps it: processes, a compiler, an average of weights, a LightningModule."""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn

from pruning.batches import check_example
from pruning.graph.inputs import Shapes, call, empty_batch, inputs_of
from pruning.graph.tracing import float_type, skeleton
from pruning.selection import convolutions

QUANTISED = ("torch.ao.nn.quantized", "torch.ao.nn.intrinsic", "torch.nn.quantized", "torch.nn.intrinsic")


def unwrap(model: Any) -> nn.Module:
    """The network of a DataParallel, a DistributedDataParallel, an AveragedModel or a compiled one; else itself.

    Raises:
        ValueError: it is no network that can be copied and cut: scripted, exported, quantised.
    """
    refuse_foreign(model)
    while (inner := _wrapped(model)) is not None:
        model = inner
        refuse_foreign(model)
    return model


def _wrapped(model: nn.Module) -> Any:
    if "_orig_mod" in model._modules:  # torch.compile
        return model._orig_mod
    wrappers = (nn.DataParallel, nn.parallel.DistributedDataParallel, torch.optim.swa_utils.AveragedModel)
    return model.module if isinstance(model, wrappers) else None


def refuse_foreign(model: Any) -> None:
    """Raise ValueError for what holds no Python forward any more, or no numbers that can be cut."""
    if isinstance(model, torch.export.ExportedProgram):
        raise ValueError("model is an exported program, which cannot be cut: give the network that it was made of")
    if not isinstance(model, nn.Module):
        raise ValueError(f"model must be a torch.nn.Module, got a {type(model).__name__}")
    for name, module in model.named_modules():
        where = f"{name!r} of the model" if name else "model"
        if isinstance(module, torch.jit.ScriptModule):
            raise ValueError(f"{where} is scripted (torch.jit), which cannot be cut: prune it first, then script it")
        if type(module).__module__.startswith(QUANTISED):
            raise ValueError(f"{where} is quantised, and whole numbers cannot be cut: prune it first, then quantise it")


def open_model(model: Any, example: Any) -> tuple[nn.Module, Shapes]:
    """The network in a model, and the shapes of what it is given.

    Of a LightningModule the network is what its forward calls: the one child that answers for it, or itself.

    Raises:
        ValueError: as `unwrap` and `check_example`; a LightningModule without a forward has several networks.
    """
    model = unwrap(model)
    shapes = check_example(model, example)
    return _network_of_lightning(model, shapes), shapes


def _network_of_lightning(model: nn.Module, shapes: Shapes) -> nn.Module:
    lightning = sys.modules.get("lightning.pytorch") or sys.modules.get("pytorch_lightning")
    if lightning is None or not isinstance(model, lightning.LightningModule):
        return model
    child = _sole_network(model) if type(model).forward is lightning.LightningModule.forward else None
    return unwrap(child or _answering_child(model, shapes) or model)


def _sole_network(model: nn.Module) -> nn.Module:
    networks = {name: child for name, child in model.named_children() if convolutions(child)}
    if len(networks) != 1:
        found = f"{len(networks)} networks ({', '.join(networks)})" if networks else "no network"
        raise ValueError(f"{type(model).__name__} has no forward and {found}: give the one to prune, module.NAME")
    return next(iter(networks.values()))


@torch.no_grad()
def _answering_child(model: nn.Module, shapes: Shapes) -> nn.Module | None:
    """The child whose answer to the very inputs of forward is what forward gives; found without numbers."""
    bare, answers = skeleton(model).eval(), list[tuple[str, Any]]()
    batch = empty_batch(shapes, 2, float_type(bare))
    given = sorted(map(id, inputs_of(batch).values()))

    def remember(name: str) -> Any:
        def hook(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if sorted(map(id, (*args, *kwargs.values()))) == given:
                answers.append((name, output))

        return hook

    for name, child in bare.named_children():
        child.register_forward_hook(remember(name), with_kwargs=True)
    try:
        answer = call(bare, batch)
    except Exception:  # the trace will say what is wrong, with the line
        return None
    return next((model.get_submodule(name) for name, output in answers if output is answer), None)

"""What others have hung on a network: hooks and parametrisations, which compute something beside or before its layers.

A layer that carries one is left whole and keeps it; the words say what to do so that it may be cut.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from pruning.graph.copies import copy_module


def attachment_reasons(network: nn.Module) -> dict[str, str]:
    """By the name of the layer why a hook or a parametrisation keeps it whole, with the remedy."""
    return {name: why for name, layer in network.named_modules() if (why := _reason(layer, repr(name))) is not None}


def _reason(layer: nn.Module, name: str) -> str | None:
    if "parametrizations" in layer._modules and parametrize.is_parametrized(layer):
        kinds = next(iter(layer.parametrizations.items()))  # type: ignore[union-attr, operator]
        return (
            f"parametrised: its {kinds[0]} is computed by {type(kinds[1][0]).__name__}; "
            f"torch.nn.utils.parametrize.remove_parametrizations(layer, {kinds[0]!r}) lets it be cut"
        )
    hooks = [*layer._forward_pre_hooks.values(), *layer._forward_hooks.values()]
    return _hook_reason(hooks[0]) if hooks else None


def _hook_reason(hook: object) -> str:
    if isinstance(hook, WeightNorm):
        return "weight_norm: computed anew in each forward; torch.nn.utils.remove_weight_norm(layer) lets it be cut"
    if isinstance(hook, SpectralNorm):
        return "spectral_norm: computed anew in each forward; torch.nn.utils.remove_spectral_norm(layer) lets it be cut"
    if isinstance(hook, BasePruningMethod):
        return (
            "torch.nn.utils.prune: masked in each forward; take chosen = Selection.of_masks(network), then "
            f"torch.nn.utils.prune.remove(layer, {hook._tensor_name!r}) lets it be cut"
        )
    name = getattr(hook, "__name__", type(hook).__name__)
    return (
        f"hooked: the forward hook {name} sees or changes what it computes; without it (handle.remove()) the layer may "
        "be cut"
    )


def refuse_uncopyable(network: nn.Module) -> None:
    """Raise ValueError for what no copy of the network could carry: a hook on the whole, layers without a size."""
    hooks = [*network._forward_pre_hooks.values(), *network._forward_hooks.values()]
    if hooks:
        name = getattr(hooks[0], "__name__", type(hooks[0]).__name__)
        raise ValueError(
            f"{type(network).__name__} itself has the forward hook {name}, which a smaller network would lose: remove "
            "it (handle.remove()) and hang it on the pruned one"
        )
    for name, value in network.named_parameters():
        if type(value) is nn.UninitializedParameter:
            raise ValueError(f"{name} has no size yet (a lazy layer): run the network once on an image, then prune it")


def computed_tensors(network: nn.Module) -> Iterator[Tensor]:
    """Tensors beside the parameters that carry a gradient's history: the weights that weight_norm and its like set."""
    for module in network.modules():
        for value in vars(module).values():
            if type(value) is Tensor and not value.is_leaf:  # isinstance takes ten times as long
                yield value


def deepcopy_memo(network: nn.Module) -> dict[int, object]:
    """A memo by which copy.deepcopy takes computed weights without their history, which it cannot copy."""
    return {id(value): value.detach().clone() for value in computed_tensors(network)}


def duplicate(network: nn.Module) -> nn.Module:
    """copy.deepcopy, also of a network whose weights are computed in forward."""
    return copy_module(network, deepcopy_memo(network))


def refuse_computed_weights(network: nn.Module) -> None:
    """Raise ValueError for weights that hooks compute in forward: a program copies networks, and torch not those."""
    for name, why in attachment_reasons(network).items():
        if next(computed_tensors(network.get_submodule(name)), None) is not None:
            raise ValueError(f"layer {name!r} of the network has a weight that cannot be copied ({why})")

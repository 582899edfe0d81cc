"""What a call gives for tensors that have shapes and no numbers (torch's meta device)."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from types import FunctionType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from pruning.graph import tables
from pruning.graph.generators import preserve_generators
from pruning.graph.refusal import RefusalError, UnfitImagesError

Values = Mapping[fx.Node, Any]
META = torch.device("meta")
# Functions that make a tensor of numbers and sizes: torch.fx by itself runs them while it traces, and fails on a size.
FACTORIES = (
    *("arange", "as_tensor", "empty", "eye", "full", "linspace", "logspace", "normal", "ones", "rand", "randint"),
    *("randn", "randperm", "scalar_tensor", "tensor", "tril_indices", "triu_indices", "zeros"),
)
# Functions that first ask whether their arguments are numbers: torch's C code would take a proxy, which says that it is
# a tensor, for one in memory, and crash.
NUMBER_FIRST = ("pow", "float_power", "remainder", "xlogy", "where")
NUMBER_FIRST_FUNCTIONS = frozenset(getattr(torch, name) for name in NUMBER_FIRST)
FACTORY_FUNCTIONS = frozenset(getattr(torch, name) for name in FACTORIES)

# Calls that give a tensor like the one they take: a view of it stands for it. Torch takes up to 3 ms for one on meta.
ALIKE_LAYERS: frozenset[type] = frozenset(
    {
        *(nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish),
        *(nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign, nn.LogSigmoid),
        *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
    }
)
ALIKE: frozenset[object] = frozenset(
    {
        *(F.relu, F.relu6, F.leaky_relu, F.elu, F.selu, F.gelu, F.silu, F.mish, F.hardswish, F.hardsigmoid, F.hardtanh),
        *(F.sigmoid, F.tanh, F.softplus, F.dropout, torch.relu, torch.relu_, torch.sigmoid, torch.tanh),
        *("relu", "relu_", "sigmoid", "sigmoid_", "tanh", "tanh_"),
    }
)
ARITHMETIC: frozenset[object] = frozenset(
    {
        *(operator.add, operator.iadd, operator.sub, operator.isub, operator.mul, operator.imul),
        *(operator.truediv, operator.itruediv, torch.add, torch.sub, torch.mul, torch.div),
        *("add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_"),
    }
)
BATCH_NORMS: dict[type, int] = {nn.BatchNorm2d: 4, nn.BatchNorm3d: 5}  # rank of what they take


class MetaRun:
    """Runs single nodes of a graph; `device` is the network's own, of which its skeleton `root` knows nothing.

    `busy`: while it is, nothing that a layer does is forward's own doing.
    """

    def __init__(self, root: nn.Module, device: torch.device) -> None:
        self.root, self.device, self.busy = root, device, False
        self.layers = dict(root.named_modules(remove_duplicate=False))

    def compute(self, node: fx.Node, values: Values) -> Any:
        """What a node gives, from what others give.

        Raises:
            RefusalError: that hangs on numbers in a tensor, or a call takes no tensors of such shapes.
        """
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), values.__getitem__)
        before, self.busy = self.busy, True
        try:
            with torch.no_grad():
                return self.call(node, args, kwargs)
        except Exception as error:  # any layer may refuse the image in its own words
            raise _refusal(node, error) from error
        finally:
            self.busy = before

    def call(self, node: fx.Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if node.op == "call_module":
            return self.call_layer(self.layers[str(node.target)], args, kwargs)
        if node.op == "call_function":
            return self.call_function(node.target, args, kwargs)
        if node.op == "call_method":
            return self.call_method(str(node.target), *_move_to_meta((args, kwargs)))
        return _without_numbers(operator.attrgetter(str(node.target))(self.root)) if node.op == "get_attr" else args[0]

    def call_method(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        plain = _call_plainly(name, args, kwargs)
        return getattr(args[0], name)(*args[1:], **kwargs) if plain is None else plain

    def call_layer(self, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if len(args) == 1 and not kwargs and _is_float(args[0]) and _is_alike(layer, args[0]):
            return args[0].detach()
        if type(layer) is nn.AdaptiveAvgPool2d and layer.output_size in (1, (1, 1)) and len(args) == 1:
            return args[0][..., :1, :1]
        if type(layer).__module__.startswith("torch.nn."):  # without hooks its forward is all that a call does
            hooked = layer._forward_hooks or layer._forward_pre_hooks
            return layer(*args, **kwargs) if hooked else layer.forward(*args, **kwargs)
        with _foreign_call():
            return layer(*args, **kwargs)

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if getattr(target, "__module__", None) in ("_operator", "builtins", "math"):
            return self.call_operator(target, args, kwargs)
        foreign = isinstance(target, FunctionType) and not target.__module__.startswith("torch.")
        args, kwargs = _move_to_meta((args, kwargs))
        plain = _call_plainly(target, args, kwargs)
        if plain is not None:
            return plain
        with _foreign_call() if foreign or target in FACTORY_FUNCTIONS else nullcontext():
            return _without_numbers(target(*args, **kwargs))

    def call_operator(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if target is getattr and isinstance(args[0], Tensor) and args[1] in ("device", "is_cuda"):
            return self.device if args[1] == "device" else self.device.type == "cuda"
        plain = _call_plainly(target, args, kwargs)
        return target(*args, **kwargs) if plain is None else plain


def _is_alike(layer: nn.Module, value: Tensor) -> bool:
    if layer._forward_hooks or layer._forward_pre_hooks:
        return False
    name = tables.class_name(layer)
    rank = 4 if name in tables.NORM_ACTIVATIONS_BY_NAME else BATCH_NORMS.get(type(layer))
    if rank is not None:
        fits = rank == value.ndim and value.shape[1] == layer.num_features
        return fits and all(_is_alike(part, value) for part in layer.children())
    return type(layer) in ALIKE_LAYERS or name in tables.ZERO_PRESERVING_BY_NAME


def _call_plainly(target: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Tensor | None:
    """What a call gives where no rule of torch's is needed to say so."""
    if not args or not _is_float(args[0]):
        return None
    if target in ALIKE:
        return args[0].detach()
    if target not in ARITHMETIC or kwargs or len(args) != 2:
        return None
    left, right = args
    if type(right) in (int, float):
        return left.detach()
    return _larger(left, right) if _is_float(right) and right.dtype == left.dtype else None


def _larger(left: Tensor, right: Tensor) -> Tensor | None:
    """What is like a sum: the operand that the other one is expanded to, if there is one."""
    if left.shape == right.shape:
        return left.detach()
    shape = torch.broadcast_shapes(left.shape, right.shape)
    return next((operand.detach() for operand in (left, right) if operand.shape == shape), None)


def _is_float(value: object) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


@contextmanager
def _foreign_call() -> Iterator[None]:
    """Tensors made within have no numbers, and a draw leaves no trace; torch's own layers do without."""
    with preserve_generators(), META:
        yield


def _move_to_meta(arguments: Any) -> Any:
    return fx.node.map_aggregate(arguments, lambda value: META if isinstance(value, torch.device) else value)


def _without_numbers(value: Any) -> Any:
    return value.to(META) if isinstance(value, Tensor) else value


def _refusal(node: fx.Node, error: Exception) -> Exception:
    words = str(error).splitlines()[0] if str(error) else type(error).__name__
    if isinstance(error, NotImplementedError) or "meta tensor" in words:
        return RefusalError(f"what {node.name} gives cannot be told without the numbers in its tensors ({words})")
    return UnfitImagesError(words)

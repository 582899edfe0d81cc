"""What a graph in a file may call: functions, methods of tensors and classes of layers, by name; nothing else is."""

from __future__ import annotations

import builtins
import math
import operator
from importlib import import_module
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from pruning.graph import tables
from pruning.surgery import align, norms

OPERATORS = (
    *("add", "sub", "mul", "truediv", "floordiv", "mod", "pow", "matmul", "neg", "pos", "getitem"),
    *("iadd", "isub", "imul", "itruediv", "eq", "ne", "lt", "le", "gt", "ge"),
)
TORCH = (
    *("abs", "add", "sub", "mul", "div", "neg", "pow", "sqrt", "rsqrt", "exp", "log", "clamp", "clone", "detach"),
    *("relu", "relu_", "tanh", "sigmoid", "softmax", "log_softmax", "maximum", "minimum", "where", "lerp"),
    *("mean", "sum", "amax", "amin", "var", "std", "cat", "concat", "stack", "chunk", "split", "unbind", "narrow"),
    *("var_mean", "std_mean", "square", "max", "min", "sin", "cos", "erf", "log1p", "expm1", "floor", "ceil", "round"),
    *("sign", "reciprocal", "addcmul", "logsumexp", "norm", "concatenate", "float_power", "hypot", "repeat_interleave"),
    *("flatten", "reshape", "permute", "transpose", "squeeze", "unsqueeze", "swapaxes", "movedim", "moveaxis", "t"),
    *("unflatten", "broadcast_to", "select", "roll", "flip", "tile", "index_select", "gather", "ravel", "swapdims"),
    *("matmul", "bmm", "einsum", "zeros_like", "ones_like", "full_like", "zeros", "ones", "full", "arange", "linspace"),
    *(
        "diagonal",
        "cumsum",
        "topk",
        "argmax",
        "argmin",
        "mm",
        "cross",
        "adaptive_avg_pool1d",
        "conv1d",
        "conv2d",
        "conv3d",
    ),
)
FUNCTIONAL = (
    *("relu", "relu6", "leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "hardsigmoid"),
    *("hardtanh", "tanh", "sigmoid", "softsign", "softplus", "logsigmoid", "softmax", "log_softmax", "glu", "prelu"),
    *("dropout", "dropout2d", "alpha_dropout", "pad", "interpolate", "normalize", "unfold", "fold", "one_hot"),
    *("max_pool1d", "max_pool2d", "max_pool3d", "avg_pool1d", "avg_pool2d", "avg_pool3d", "lp_pool2d"),
    *("adaptive_avg_pool1d", "adaptive_avg_pool2d", "adaptive_avg_pool3d", "adaptive_max_pool2d"),
    *("conv1d", "conv2d", "conv3d", "conv_transpose2d", "linear", "batch_norm", "layer_norm", "group_norm"),
    *("instance_norm", "local_response_norm", "pixel_shuffle", "pixel_unshuffle", "channel_shuffle", "grid_sample"),
    *("scaled_dot_product_attention", "threshold", "softshrink", "hardshrink", "tanhshrink", "lp_pool1d"),
    *("max_unpool2d", "adaptive_max_pool1d", "adaptive_max_pool3d", "conv_transpose1d", "conv_transpose3d"),
)
# What the graph knows of each channel by itself: numbers made of numbers.
TABLED: frozenset[Any] = tables.ELEMENTWISE.union(
    *(tables.ADDITIONS, tables.EXTREMA, tables.PRODUCTS, tables.QUOTIENTS, tables.UNEQUAL, tables.CHOICES),
    *(tables.PRODUCTS_ADDED, tables.EXPANSIONS, tables.STACKS, tables.ALONG_AXES, tables.COPYING),
)
HOMES = {"operator": operator, "torch": torch, "torch.nn.functional": F}
FUNCTIONS: dict[str, Any] = {
    **{
        f"{home}.{function.__name__}": function
        for home, module in HOMES.items()
        for function in TABLED
        if callable(function) and getattr(module, function.__name__, None) == function
    },
    **{f"operator.{name}": getattr(operator, name) for name in OPERATORS},
    **{f"torch.{name}": getattr(torch, name) for name in TORCH},
    **{f"torch.nn.functional.{name}": getattr(F, name) for name in FUNCTIONAL},
    **{f"math.{name}": getattr(math, name) for name in ("ceil", "floor", "sqrt", "log", "log2", "exp")},
    **{f"builtins.{name}": getattr(builtins, name) for name in ("getattr", "len", "round", "min", "max", "abs")},
}
FUNCTION_NAMES = {function: name for name, function in reversed(FUNCTIONS.items())}
METHODS = frozenset(
    {
        *(name for name in TABLED if isinstance(name, str)),
        *("abs", "add", "add_", "sub", "sub_", "mul", "mul_", "div", "div_", "neg", "pow", "sqrt", "rsqrt", "exp"),
        *("log", "clamp", "clamp_", "clone", "detach", "contiguous", "relu", "relu_", "tanh", "sigmoid", "softmax"),
        *("mean", "sum", "amax", "amin", "max", "min", "var", "std", "size", "dim", "numel", "view", "view_as"),
        *(
            "reshape_as",
            "square",
            "sin",
            "cos",
            "sign",
            "floor",
            "where",
            "maximum",
            "minimum",
            "clamp_min",
            "clamp_max",
        ),
        *("norm", "logsumexp", "log1p", "expm1", "reciprocal", "std", "cumprod", "sort"),
        *("reshape", "flatten", "unflatten", "permute", "transpose", "squeeze", "squeeze_", "unsqueeze", "swapaxes"),
        *("swapdims", "movedim", "moveaxis", "t", "ravel", "chunk", "split", "unbind", "narrow", "select", "expand"),
        *("expand_as", "repeat", "repeat_interleave", "unfold", "diagonal", "roll", "flip", "matmul", "bmm"),
        *("index_select", "gather", "masked_fill", "new_zeros", "new_ones", "new_full", "to", "type_as", "float"),
        *("double", "half", "bfloat16", "type", "argmax", "argmin", "topk", "cumsum", "log_softmax", "hardswish"),
    }
)
ATTRIBUTES = frozenset(
    {"shape", "device", "dtype", "ndim", "T", "mT", "data", "is_cuda", "values", "indices"}
)  # that getattr may read
OF_TORCH: dict[str, type[nn.Module]] = {
    name: value
    for name, value in vars(nn).items()
    if isinstance(value, type) and issubclass(value, nn.Module) and value.__module__.startswith("torch.nn.modules.")
}
OWN: dict[str, type[nn.Module]] = {
    f"pruning.{value.__name__}": value
    for value in (align.AddAt, align.Choose, align.ColumnGroups, align.Spread, *norms.LIVE_NORMS)
}
ELSEWHERE = (  # in libraries that may be absent
    "torchvision.ops.stochastic_depth.StochasticDepth",
    "timm.layers.drop.DropPath",
    "timm.layers.norm_act.BatchNormAct2d",
    "timm.layers.grn.GlobalResponseNorm",
    "torchvision.ops.misc.FrozenBatchNorm2d",
)
LAYERS = OWN | {f"torch.nn.{name}": value for name, value in OF_TORCH.items()}
LAYER_NAMES = {value: name for name, value in LAYERS.items()}


def layer_name(layer: nn.Module) -> str | None:
    """Of its exact class; None where a file may not name it."""
    name = f"{type(layer).__module__}.{type(layer).__qualname__}"
    return name if name in ELSEWHERE else LAYER_NAMES.get(type(layer))


def layer_class(name: str) -> type[nn.Module]:
    """Raises ValueError for a class that a file may not name, or whose library is not installed."""
    if name in LAYERS:
        return LAYERS[name]
    if name not in ELSEWHERE:
        raise ValueError(f"no layer may be a {name[:60]!r}")
    module, _, attribute = name.rpartition(".")
    try:
        kind: type[nn.Module] = getattr(import_module(module), attribute)
    except ImportError as error:
        raise ValueError(f"a layer is a {name}: pip install {module.partition('.')[0]}") from error
    return kind

"""Which layers and functions act on each channel by itself, and which of them keep zero.

A layer is in a table by its exact class: a subclass may change the arithmetic. What is in no table is a barrier.
"""

import operator

import torch
import torch.nn.functional as F
from torch import nn

ZERO_PRESERVING_LAYERS: frozenset[type] = frozenset(
    {
        *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
        *(nn.Tanh, nn.Softsign, nn.Tanhshrink, nn.Softshrink, nn.Hardshrink, nn.RReLU),
        *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.FeatureAlphaDropout),
        *(nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d),
        *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool1d, nn.AdaptiveMaxPool2d),
        *(
            nn.Upsample,
            nn.UpsamplingBilinear2d,
            nn.UpsamplingNearest2d,
            nn.ZeroPad2d,
            nn.ReflectionPad2d,
            nn.ReplicationPad2d,
        ),
    }
) - {nn.FeatureAlphaDropout}  # alpha dropout fills with a negative constant
# How many of the last axes a layer or function looks along; 0: all but the first two.
SPATIAL_AXES: dict[object, int] = {
    **dict.fromkeys((nn.MaxPool1d, nn.AvgPool1d, nn.AdaptiveAvgPool1d), 1),
    **dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d), 2),
    **dict.fromkeys((nn.ZeroPad2d, nn.ReflectionPad2d, nn.ReplicationPad2d), 2),
    **dict.fromkeys((nn.MaxPool3d, nn.AvgPool3d), 3),
    **dict.fromkeys((nn.Upsample, nn.UpsamplingBilinear2d, nn.UpsamplingNearest2d, F.interpolate), 0),
    **dict.fromkeys((F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d), 2),
}
ZERO_PRESERVING_BY_NAME = frozenset({"torchvision.ops.stochastic_depth.StochasticDepth", "timm.layers.drop.DropPath"})
NOT_ZERO_PRESERVING_LAYERS: frozenset[type] = frozenset({nn.Sigmoid, nn.Hardsigmoid, nn.Softplus, nn.LogSigmoid})
NORMS: frozenset[type] = frozenset(
    {nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.InstanceNorm1d, nn.InstanceNorm2d}
)
# A batch norm that goes on with an activation `act` and a `drop` of its own; leaves of the trace.
NORM_ACTIVATIONS_BY_NAME = frozenset({"timm.layers.norm_act.BatchNormAct2d"})

ZERO_PRESERVING: frozenset[object] = frozenset(
    {
        *(
            F.relu,
            F.relu6,
            F.leaky_relu,
            F.elu,
            F.selu,
            F.celu,
            F.gelu,
            F.silu,
            F.mish,
            F.hardswish,
            F.tanh,
            F.softsign,
        ),
        *(torch.relu, torch.relu_, torch.tanh, torch.abs, torch.neg, operator.neg, operator.pos, torch.clone),
        *(F.dropout, F.max_pool2d, F.avg_pool2d, F.adaptive_avg_pool2d, F.adaptive_max_pool2d, F.interpolate),
        *("relu", "relu_", "tanh", "abs", "neg", "clone", "contiguous", "detach", "float"),
    }
)
NOT_ZERO_PRESERVING: frozenset[object] = frozenset({F.sigmoid, torch.sigmoid, F.hardsigmoid, F.softplus, "sigmoid"})
ADDITIONS: frozenset[object] = frozenset(
    {operator.add, operator.iadd, operator.sub, operator.isub, torch.add, torch.sub, "add", "add_", "sub", "sub_"}
)
PRODUCTS: frozenset[object] = frozenset({operator.mul, operator.imul, torch.mul, "mul", "mul_"})
DIVISIONS: frozenset[object] = frozenset({operator.truediv, operator.itruediv, torch.div, "div", "div_"})
REDUCTIONS: frozenset[object] = frozenset({torch.mean, torch.sum, "mean", "sum"})
CONCATENATIONS: frozenset[object] = frozenset({torch.cat, torch.concat})

RESHAPING_LAYERS: frozenset[type] = frozenset(
    {nn.Flatten, nn.Unflatten, nn.ChannelShuffle, nn.PixelShuffle, nn.PixelUnshuffle}
)
RESHAPING: frozenset[object] = frozenset(
    {
        *(torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.squeeze, torch.unsqueeze, torch.swapaxes),
        *(torch.chunk, torch.split, torch.unbind, torch.narrow, operator.getitem, F.channel_shuffle, F.pixel_shuffle),
        *(
            "flatten",
            "reshape",
            "view",
            "permute",
            "transpose",
            "squeeze",
            "unsqueeze",
            "chunk",
            "split",
            "unbind",
            "narrow",
        ),
        *("contiguous", "swapaxes"),
    }
)
# Those whose arguments never name a number of channels: they mean the same on a narrow tensor.
SIZE_INDEPENDENT: frozenset[object] = frozenset(
    {
        *(torch.flatten, torch.permute, torch.transpose, torch.unsqueeze, torch.swapaxes),
        *("flatten", "permute", "transpose", "unsqueeze", "contiguous", "swapaxes"),
    }
)
# Pieces of one tensor that share no element.
SPLITS: frozenset[object] = frozenset({torch.chunk, torch.split, torch.unbind, "chunk", "split", "unbind"})
# What may hand on the memory of its input, besides reshapings.
VIEWS: frozenset[object] = frozenset(
    {
        *("expand", "expand_as", "view_as", "detach", "select", "unfold", "diagonal", "movedim", "moveaxis", "t"),
        *("to", "float", "double", "half", "bfloat16", "type", "type_as", "swapdims", "unflatten", "squeeze_", "ravel"),
        *(torch.select, torch.diagonal, torch.movedim, torch.moveaxis, torch.swapdims, torch.t, torch.ravel),
        *(F.dropout, F.dropout2d, F.alpha_dropout, torch.detach, torch.unflatten, torch.broadcast_to),
    }
)
VIEW_LAYERS: frozenset[type] = frozenset(
    {nn.Flatten, nn.Unflatten, nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout}
)


def class_name(layer: nn.Module) -> str:
    """Of a layer's exact class, for libraries that may be absent."""
    return f"{type(layer).__module__}.{type(layer).__qualname__}"

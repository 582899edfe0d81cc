"""Which layers and functions act on each channel by itself, and how; what is in no table is a barrier.

A layer is in a table by its exact class: a subclass may change the arithmetic. A function is in it by every name that
torch, torch.nn.functional, operator and tensors themselves have for it. Whether a call keeps zero is in no table: it is
asked of the call itself (`calls.keeps_zero`), for its constants decide.
"""

import operator

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def spellings(words: str) -> frozenset[object]:
    """Every function and method of these names, the forms that change a tensor in place included."""
    names = [name for word in words.split() for name in (word, f"{word}_")]
    operators = [name for word in words.split() for name in (word, f"i{word}")]
    functions = [getattr(home, name, None) for home in (torch, F) for name in names]
    functions += [getattr(operator, name, None) for name in operators]
    return frozenset([*filter(callable, functions), *(name for name in names if hasattr(Tensor, name))])


# -- one number makes one number ---------------------------------------------------------------------------------------
ELEMENTWISE_LAYERS: frozenset[type] = frozenset(
    {
        *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU, nn.SiLU, nn.Mish, nn.Hardswish),
        *(nn.Tanh, nn.Softsign, nn.Tanhshrink, nn.Softshrink, nn.Hardshrink, nn.Hardtanh, nn.Threshold, nn.Identity),
        *(nn.Sigmoid, nn.Hardsigmoid, nn.Softplus, nn.LogSigmoid),
    }
)
ELEMENTWISE = spellings(
    "relu relu6 leaky_relu elu selu celu gelu silu mish hardswish tanh softsign tanhshrink softshrink hardshrink "
    "hardtanh threshold sigmoid hardsigmoid softplus logsigmoid clamp clamp_min clamp_max clip abs absolute neg "
    "negative pos positive sign sgn sqrt square exp exp2 expm1 log log2 log10 log1p rsqrt reciprocal sin cos tan asin "
    "acos atan sinh cosh asinh acosh atanh erf erfc floor ceil round trunc fix frac nan_to_num sinc logit deg2rad "
    "rad2deg isnan isinf isfinite logical_not float_power"
)
# Those whose arguments say nothing about zero, or that draw: whatever they are given, zero stays zero.
ZERO_PRESERVING_LAYERS: frozenset[type] = frozenset({nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.RReLU})
ZERO_PRESERVING_BY_NAME = frozenset({"torchvision.ops.stochastic_depth.StochasticDepth", "timm.layers.drop.DropPath"})
ZERO_PRESERVING = frozenset({F.dropout, F.dropout1d, F.dropout2d, F.dropout3d}) | spellings(
    "clone contiguous detach float double half bfloat16 to type requires_grad cpu rrelu"
)

# -- numbers of several tensors, or of one tensor and constants --------------------------------------------------------
ADDITIONS = spellings(
    "add sub subtract rsub maximum minimum fmax fmin hypot lerp gt lt ne greater less not_equal logical_or logical_xor "
    "bitwise_or or_ bitwise_xor xor"
)
EXTREMA = spellings("max min")  # of two tensors, or of one along an axis
PRODUCTS = spellings("mul multiply logical_and bitwise_and and_")
QUOTIENTS = spellings("div divide true_divide truediv floor_divide floordiv remainder mod fmod")
UNEQUAL = spellings("pow atan2 arctan2 ge le eq greater_equal less_equal logaddexp xlogy heaviside copysign")
CHOICES = spellings("where")
PRODUCTS_ADDED = spellings("addcmul")
EXPANSIONS = frozenset({"expand_as"})
CONCATENATIONS: frozenset[object] = frozenset({torch.cat, torch.concat, torch.concatenate})
STACKS: frozenset[object] = frozenset({torch.stack})

# -- along places: by how many of the last axes they look at (0: all but the first two), zero stays zero ---------------
POOLINGS: dict[object, int] = {
    **dict.fromkeys((nn.MaxPool1d, nn.AvgPool1d, nn.LPPool1d, nn.AdaptiveAvgPool1d, nn.AdaptiveMaxPool1d), 1),
    **dict.fromkeys((nn.MaxPool2d, nn.AvgPool2d, nn.LPPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d), 2),
    **dict.fromkeys((nn.MaxPool3d, nn.AvgPool3d, nn.LPPool3d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool3d), 3),
    **dict.fromkeys((nn.FractionalMaxPool2d, nn.ReflectionPad2d, nn.ReplicationPad2d, nn.CircularPad2d), 2),
    **dict.fromkeys((nn.FractionalMaxPool3d, nn.ReflectionPad3d, nn.ReplicationPad3d, nn.CircularPad3d), 3),
    **dict.fromkeys((nn.ReflectionPad1d, nn.ReplicationPad1d, nn.CircularPad1d), 1),
    **dict.fromkeys((nn.Upsample, nn.UpsamplingBilinear2d, nn.UpsamplingNearest2d, F.interpolate, F.upsample), 0),
    **dict.fromkeys(spellings("max_pool1d avg_pool1d lp_pool1d adaptive_avg_pool1d adaptive_max_pool1d"), 1),
    **dict.fromkeys(spellings("max_pool2d avg_pool2d lp_pool2d adaptive_avg_pool2d adaptive_max_pool2d"), 2),
    **dict.fromkeys(spellings("max_pool3d avg_pool3d lp_pool3d adaptive_avg_pool3d adaptive_max_pool3d"), 3),
}
CONSTANT_PADS: dict[object, int] = {
    **dict.fromkeys((nn.ZeroPad1d, nn.ConstantPad1d), 1),
    **dict.fromkeys((nn.ZeroPad2d, nn.ConstantPad2d), 2),
    **dict.fromkeys((nn.ZeroPad3d, nn.ConstantPad3d), 3),
}
UNPOOLINGS: dict[object, int] = {
    **dict.fromkeys((nn.MaxUnpool1d, F.max_unpool1d), 1),
    **dict.fromkeys((nn.MaxUnpool2d, F.max_unpool2d), 2),
    **dict.fromkeys((nn.MaxUnpool3d, F.max_unpool3d), 3),
}
# Along the axes that their argument `dim` names, which is the one at this place.
ALONG_AXES: dict[object, int] = {
    **dict.fromkeys(
        spellings(
            "mean sum nansum nanmean amax amin std var prod logsumexp softmax log_softmax softmin cumsum cumprod "
            "median nanmedian any all sort cummax cummin"
        ),
        1,
    ),
    **dict.fromkeys(spellings("norm normalize quantile kthvalue"), 2),
}
SOFTMAX_LAYERS: frozenset[type] = frozenset({nn.Softmax, nn.LogSoftmax, nn.Softmin})
HALVINGS = frozenset({nn.GLU}) | spellings("glu")

# -- parameters for each channel ---------------------------------------------------------------------------------------
NORMS: frozenset[type] = frozenset(
    {
        *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm),
        *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
    }
)
# Those that surgery has put in their place are leaves of the trace, by name: surgery imports the graph.
LIVE_LAYER_NORM, LIVE_GROUP_NORM = "pruning.surgery.norms.LiveLayerNorm", "pruning.surgery.norms.LiveGroupNorm"
# Of ConvNeXt V2: every channel by its size, over the mean of all channels' sizes.
GLOBAL_RESPONSE_NORMS = frozenset(
    {"timm.layers.grn.GlobalResponseNorm", "pruning.surgery.norms.LiveGlobalResponseNorm"}
)
# A batch norm that goes on with an activation `act` and a `drop` of its own; leaves of the trace.
NORM_ACTIVATIONS_BY_NAME = frozenset({"timm.layers.norm_act.BatchNormAct2d"})
# A batch norm all of whose tensors are buffers; leaves of the trace too.
FROZEN_NORMS_BY_NAME = frozenset({"torchvision.ops.misc.FrozenBatchNorm2d"})
NORMS_BY_NAME = (
    NORM_ACTIVATIONS_BY_NAME | FROZEN_NORMS_BY_NAME | GLOBAL_RESPONSE_NORMS | {LIVE_LAYER_NORM, LIVE_GROUP_NORM}
)

# -- elements of one tensor are moved about ----------------------------------------------------------------------------
RESHAPING_LAYERS: frozenset[type] = frozenset(
    {nn.Flatten, nn.Unflatten, nn.ChannelShuffle, nn.PixelShuffle, nn.PixelUnshuffle}
)
RESHAPING: frozenset[object] = frozenset(
    {
        *(torch.flatten, torch.reshape, torch.permute, torch.transpose, torch.squeeze, torch.unsqueeze, torch.swapaxes),
        *(torch.chunk, torch.split, torch.unbind, torch.narrow, operator.getitem, F.channel_shuffle, F.pixel_shuffle),
        *("flatten", "reshape", "view", "permute", "transpose", "squeeze", "unsqueeze", "chunk", "split", "unbind"),
        *("narrow", "contiguous", "swapaxes", "unflatten", "movedim", "moveaxis", "swapdims", "expand"),
        *(torch.unflatten, torch.movedim, torch.moveaxis, torch.swapdims, torch.broadcast_to),
    }
)  # fmt: skip
# The same into memory of their own.
COPYING = spellings("flip roll repeat tile repeat_interleave rot90 fliplr flipud")
# Those whose arguments never name a number of channels: they mean the same on a narrow tensor.
SIZE_INDEPENDENT: frozenset[object] = frozenset(
    {
        *(torch.flatten, torch.permute, torch.transpose, torch.unsqueeze, torch.swapaxes),
        *(torch.movedim, torch.moveaxis, torch.swapdims, nn.Flatten),
        *("flatten", "permute", "transpose", "unsqueeze", "contiguous", "swapaxes", "movedim", "moveaxis", "swapdims"),
    }
)
# Those that are given the size of every axis of their result.
SIZED: frozenset[object] = frozenset({"view", "reshape", "expand", torch.reshape, torch.broadcast_to})
# Those that act on the one axis that is named first.
OF_ONE_AXIS: frozenset[object] = frozenset({"unflatten", "squeeze", torch.unflatten, torch.squeeze, nn.Unflatten})
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

"""What a filter is worth: one function a criterion, of a layer. The largest stay. Sources and formulas: card.md.

W_j is filter j, gamma_j and beta_j the scale and shift of its norm, A_j its feature map, N_j the kernels that read it.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from pruning.methods.criteria.layer import Layer

Figures = Float[Tensor, " filters"]


def l2(layer: Layer) -> Figures:
    """||W_j||: the control of what the L1 norm decides."""
    return layer.squares.sqrt()


def fpgm(layer: Layer) -> Figures:
    """sum_i ||W_j - W_i||: near the geometric median is what the others can stand in for.

    He et al., "Filter Pruning via Geometric Median for Deep Convolutional Neural Networks Acceleration", CVPR 2019.
    """
    squared = layer.squares[:, None] + layer.squares - 2 * layer.gram
    return squared.fill_diagonal_(0).clamp(min=0).sqrt().sum(1)


def whc(layer: Layer) -> Figures:
    """||W_j|| sum_i ||W_i|| (1 - |cos(W_j, W_i)|): large, and unlike others that are large.

    Chen et al., "WHC: Weighted Hybrid Criterion for Filter Pruning on Convolutional Neural Networks", ICASSP 2023.
    """
    norms = layer.squares.sqrt()
    return (norms[:, None] * norms - layer.gram.abs()).fill_diagonal_(0).sum(1)


def bn_scale(layer: Layer) -> Figures:
    """|gamma_j|, of a network as it is.

    Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", ICCV 2017, which trains with a
    penalty on gamma before.
    """
    return layer.scale.abs()


def group_l2(layer: Layer) -> Figures:
    """The squares of W_j, gamma_j, N_j and of all that is coupled to them, summed.

    Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023, section 3.3.
    """
    return layer.squares + layer.sum_group(torch.square)


def lamp(layer: Layer) -> Figures:
    """||W_j||^2 over the sum of those that are not smaller: what is lost of what would be left; comparable over layers.

    Lee et al., "Layer-adaptive Sparsity for the Magnitude-based Pruning", ICLR 2021, of filters in place of
    weights. Within a layer it is the order of l2.
    """
    squares, order = layer.squares.sort(descending=True, stable=True)
    shares = squares / squares.cumsum(0).clamp(min=torch.finfo(torch.double).tiny)
    return torch.empty_like(shares).index_copy(0, order, shares)


def taylor(layer: Layer) -> Figures:
    """E (gamma_j g_gamma + beta_j g_beta)^2 over images, without a norm E (sum W_j g)^2; comparable over layers.

    Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019, section 3.3 (gate after the norm).
    """
    return layer.mean("taylor")


def fisher(layer: Layer) -> Figures:
    """1/2 sum W_j^2 E g^2 over images, the loss that a diagonal Fisher matrix expects; comparable over layers.

    Wang et al., "EigenDamage: Structured Pruning in the Kronecker-Factored Eigenbasis", ICML 2019, there C-OBD.
    """
    return layer.mean("fisher") / 2


def activation(layer: Layer) -> Figures:
    """E |A_j| over images and places, behind norm and activation.

    Molchanov et al., "Pruning Convolutional Neural Networks for Resource Efficient Inference", ICLR 2017, section 2.2.
    """
    return layer.mean("activation")


def activation_next(layer: Layer) -> Figures:
    """E |A_j| sum |N_j|: at most so much of what is read next goes with a filter."""
    return layer.mean("activation") * layer.sum_next(torch.abs)


def lookahead(layer: Layer) -> Figures:
    """||W_j|| ||N_j||: what the kernels that read a filter can make of it.

    After Park et al., "Lookahead: A Far-sighted Alternative of Magnitude-based Pruning", ICLR 2020, of filters in place
    of weights.
    """
    return (layer.squares * layer.sum_next(torch.square)).sqrt()

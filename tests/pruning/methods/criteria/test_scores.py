"""Each criterion against a few lines that share nothing with it, numbers done by hand, or Torch-Pruning."""

import warnings

import pytest
import torch
from torch import Tensor, nn

from pruning.budget import PerLayer
from pruning.methods.criteria import Scored
from pruning.testing import SAMPLES, Sample


def scores(criterion: str, network: nn.Module, shape: tuple[int, ...], **arguments: object) -> dict[str, Tensor]:
    """Of a network as it is."""
    method = Scored(PerLayer(0.5), criterion, **arguments)
    method.survey(network, shape)
    return method.scores(network)


def weights(network: nn.Module, name: str) -> Tensor:
    return network.get_submodule(name).weight.detach()


@pytest.mark.parametrize("sample", SAMPLES.values(), ids=list(SAMPLES))
@pytest.mark.parametrize("joined", ["keep", "expand"])
def test_l2(sample: Sample, joined: str) -> None:
    network = sample.network()
    for name, figures in scores("l2", network, sample.image_shape, joined=joined).items():
        assert figures.tolist() == pytest.approx([float(torch.norm(filter)) for filter in weights(network, name)])


def test_fpgm() -> None:
    network = SAMPLES["chain"].network()
    for name, figures in scores("fpgm", network, (3, 8, 8)).items():
        filters = list(weights(network, name))
        assert figures.tolist() == pytest.approx([sum(float((a - b).norm()) for b in filters) for a in filters])


def test_whc() -> None:
    network = SAMPLES["chain"].network()
    for name, figures in scores("whc", network, (3, 8, 8)).items():
        filters = [filter.flatten() for filter in weights(network, name)]
        for filter, figure in zip(filters, figures.tolist(), strict=True):
            unlike = [float(b.norm() * (1 - torch.cosine_similarity(filter, b, dim=0).abs())) for b in filters]
            assert figure == pytest.approx(float(filter.norm()) * sum(unlike), rel=1e-4)


def test_bn_scale() -> None:
    network = SAMPLES["residual"].network()
    found = scores("bn_scale", network, (3, 8, 8))
    behind = {"stem": "norms.4", "convs.0": "norms.0", "convs.2": "norms.2"}
    assert list(found) == list(behind)
    for name, norm in behind.items():
        torch.testing.assert_close(found[name], weights(network, norm).abs())


def test_bn_scale_without_a_norm_names_the_layer_and_a_remedy() -> None:
    with pytest.raises(ValueError, match=r"^bn_scale needs a batch norm .* and '0' has none: leave it out, or .* l2$"):
        scores("bn_scale", SAMPLES["chain"].network(), (3, 8, 8))


def test_lamp_by_hand() -> None:
    """Squares 1, 4, 4 and 9 of filters of one weight; of equal ones the first counts as the larger."""
    network = nn.Sequential(nn.Conv2d(1, 4, 1, bias=False), nn.Conv2d(4, 2, 1))
    with torch.no_grad():
        network[0].weight.copy_(torch.tensor([2.0, -1, -2, 3]).view(4, 1, 1, 1))
    assert scores("lamp", network, (1, 4, 4))["0"].tolist() == pytest.approx([4 / 13, 1 / 18, 4 / 17, 1])


def test_a_filter_of_zeros_is_worth_nothing() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1, bias=False), nn.BatchNorm2d(4), nn.Conv2d(4, 2, 1, bias=False))
    with torch.no_grad():
        network[0].weight[1] = 0
        network[1].weight[1] = 0
        network[2].weight[:, 1] = 0
    for name in ("l2", "whc", "bn_scale", "group_l2", "lamp"):
        found = scores(name, network, (3, 4, 4))["0"]
        assert found[1] == 0, name
        assert (found[[0, 2, 3]] > 0).all(), name


def test_lookahead() -> None:
    network = SAMPLES["chain"].network()
    found = scores("lookahead", network, (3, 8, 8))
    for name, reader in (("0", "2"), ("2", "4")):
        wanted = weights(network, name).flatten(1).norm(dim=1) * weights(network, reader).square().sum((0, 2, 3)).sqrt()
        torch.testing.assert_close(found[name], wanted)


# -- Torch-Pruning -----------------------------------------------------------------------------------------------------


def theirs(network: nn.Module, name: str, shape: tuple[int, ...]) -> Tensor:
    """The squares of the group of a layer's filters, summed by Torch-Pruning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        tp = pytest.importorskip("torch_pruning")
        graph = tp.DependencyGraph().build_dependency(network, torch.zeros(2, *shape))
        layer = network.get_submodule(name)
        group = graph.get_pruning_group(layer, tp.prune_conv_out_channels, list(range(layer.out_channels)))
        return tp.importance.GroupMagnitudeImportance(p=2, group_reduction="sum", normalizer=None)(group)


@pytest.mark.parametrize("joined", ["keep", "couple"])
def test_group_l2_is_torch_prunings(joined: str) -> None:
    """Of single layers, and of the stream that a projection and two blocks share, its classifier included."""
    network = SAMPLES["residual"].network()
    found = scores("group_l2", network, (3, 8, 8), joined=joined)
    assert len(found) == (3 if joined == "keep" else 4)
    for name, figures in found.items():
        torch.testing.assert_close(figures, theirs(network, name, (3, 8, 8)), rtol=1e-5, atol=0)


def test_group_l2_through_flattening_and_concatenation() -> None:
    """A filter has as many columns of a linear layer as places; the depthwise layer on its way is our own addition."""
    network = SAMPLES["branches"].network()
    found = scores("group_l2", network, (3, 8, 8))
    for name in ("wide.0", "narrow.0", "last.0"):
        torch.testing.assert_close(found[name], theirs(network, name, (3, 8, 8)), rtol=1e-5, atol=0)
    depthwise, norm = network.depthwise[0].weight, network.depthwise[1].weight
    more = depthwise.detach().flatten(1).square().sum(1)
    torch.testing.assert_close(found["stem.0"], theirs(network, "stem.0", (3, 8, 8)) + more, rtol=1e-5, atol=0)
    assert norm.numel() == more.numel()


def test_a_transposed_convolution_has_its_filters_first() -> None:
    network = nn.Sequential(nn.ConvTranspose2d(3, 6, 2), nn.ReLU(), nn.ConvTranspose2d(6, 2, 2))
    own, read = network[0].weight.detach(), network[2].weight.detach()
    assert scores("l2", network, (3, 4, 4))["0"].tolist() == pytest.approx([float(own[:, j].norm()) for j in range(6)])
    wanted = [float(own[:, j].square().sum() + read[j].square().sum()) for j in range(6)]
    assert scores("group_l2", network, (3, 4, 4))["0"].tolist() == pytest.approx(wanted)


def test_linear_layers_are_scored_where_they_are_cut() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Flatten(), nn.Linear(64, 6), nn.ReLU(), nn.Linear(6, 3))
    for name in ("l2", "fpgm", "whc", "group_l2", "lamp"):
        assert scores(name, network, (3, 4, 4), linear=True)["2"].shape == (6,)
    wanted = weights(network, "2").square().sum(1) + weights(network, "4").square().sum(0)
    torch.testing.assert_close(scores("group_l2", network, (3, 4, 4), linear=True)["2"], wanted)


def test_an_unknown_criterion_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"criterion must be one of l2, .* got 'lmap'; did you mean lamp\?"):
        Scored(PerLayer(0.5), "lmap")

"""By hand: image -> a (4 filters) -> relu -> b (3 filters) -> c (2 filters)."""

import pytest
import torch
from torch import nn

from pruning.graph.graph import trace
from pruning.graph.liveness import Liveness, analyse
from pruning.selection import Selection

SHAPE = (1, 4, 4)


def chain() -> nn.Module:
    a, b, c = nn.Conv2d(1, 4, 1), nn.Conv2d(4, 3, 1), nn.Conv2d(3, 2, 1)
    return nn.Sequential(a, nn.ReLU(), b, c)


def kernels(*rows: str) -> torch.Tensor:
    return torch.tensor([[mark == "x" for mark in row] for row in rows])


def analysed(network: nn.Module, **masks: torch.Tensor) -> Liveness:
    return analyse(trace(network, SHAPE), Selection({name.lstrip("_"): mask for name, mask in masks.items()}))


def channels(flags: dict[torch.fx.Node, torch.Tensor]) -> dict[str, str]:
    return {node.name: "".join("x" if flag else "." for flag in row) for node, row in flags.items()}


def test_everything_lives_and_is_read_without_a_selection() -> None:
    full = analysed(chain())
    assert channels(full.live) == channels(full.read) | {"output": ""}
    assert set("".join(channels(full.live).values())) == {"x"}


def test_forward_a_silenced_filter_stays_silent_through_what_keeps_zero() -> None:
    live = channels(analysed(chain(), _0=kernels("x", ".", "x", ".")).live)
    assert (live["_0"], live["_1"], live["_2"], live["_3"]) == ("x.x.", "x.x.", "xxx", "xx")


def test_forward_a_filter_that_reads_only_silence_is_silent() -> None:
    both = analysed(chain(), _0=kernels(".", "x", "x", "x"), _2=kernels("x...", "xx..", "..xx"))
    assert channels(both.live)["_2"] == ".xx"
    conv = both.graph.convolutions()["2"]
    assert both.kernels(conv).equal(kernels("....", ".x..", "..xx"))


def test_backward_a_channel_that_nobody_reads_goes_and_so_does_what_made_it() -> None:
    found = analysed(chain(), _2=kernels("xx..", ".x..", "..xx"), _3=kernels("xx.", ".x."))
    read = channels(found.read)
    assert (read["_3"], read["_2"], read["_1"], read["_0"], read["input_1"]) == ("xx", "xx.", "xx..", "xx..", "x")
    assert found.kernels(found.graph.convolutions()["0"]).equal(kernels("x", "x", ".", "."))


class Sum(nn.Module):
    def __init__(self, product: bool = False) -> None:
        super().__init__()
        self.left, self.right, self.last = nn.Conv2d(1, 3, 1), nn.Conv2d(1, 3, 1), nn.Conv2d(3, 2, 1)
        self.product = product

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, z = self.left(x), self.right(x)
        return self.last(y * z if self.product else y + z)


@pytest.mark.parametrize(("product", "live"), [(False, "xx."), (True, "x..")])
def test_a_sum_lives_where_either_side_does_a_product_where_both_do(product: bool, live: str) -> None:
    found = analysed(Sum(product), left=kernels("x", "x", "."), right=kernels("x", ".", "."))
    assert channels(found.live)["mul" if product else "add"] == live


def test_sigmoid_of_silence_is_one_half() -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 1), nn.Sigmoid(), nn.Conv2d(3, 2, 1))
    found = analysed(network, _0=kernels("x", ".", "."))
    assert (channels(found.live)["_0"], channels(found.live)["_1"]) == ("x..", "xxx")


def test_a_layer_left_without_a_live_input_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"layer '2' is emptied: none of its kept kernels has a live input; keep more"):
        analysed(chain(), _0=kernels("x", ".", ".", "."), _2=kernels(".x..", "..x.", "...x"))


def test_a_selection_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="'9', which is not a convolution"):
        analysed(chain(), _9=kernels("x"))
    with pytest.raises(ValueError, match=r"shape \(4, 1\)"):
        analysed(chain(), _0=kernels("xx"))


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.twice, self.free = nn.Conv2d(3, 3, 1), nn.Conv2d(3, 4, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.free(self.twice(self.twice(x).relu()))


def test_a_shared_convolution_may_not_be_cut_and_what_it_reads_stays_whole() -> None:
    graph = trace(Shared(), (3, 4, 4))
    assert graph.uncuttable() == {"twice": "shared: called 2 times with one weight"}
    with pytest.raises(ValueError, match=r"'twice' cannot be cut \(shared: called 2 times.*keep it whole"):
        analyse(graph, Selection.of_rows(Shared(), {"twice": torch.tensor([True, True, False])}))
    analyse(graph, Selection.of_rows(Shared(), {"free": torch.tensor([True, False, True, False])}))

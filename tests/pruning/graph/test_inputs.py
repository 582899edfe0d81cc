"""What networks are given: images of any rank, several inputs by place and by name, others by their defaults."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from pruning.graph.graph import trace
from pruning.graph.inputs import Shapes, call, map_inputs
from pruning.surgery import compact, mask
from pruning.testing import random_rows, randomised, relative


class Between(nn.Module):
    """Two convolutions and a classifier; what lies between them takes the other inputs too."""

    def __init__(self, forward: Callable[..., Tensor], rank: int = 2) -> None:
        super().__init__()
        kind: Any = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[rank - 1]
        self.first, self.second = kind(3, 8, 3, padding=1), kind(8, 6, 3, padding=1)
        self.embed, self.scale = nn.Embedding(5, 8), nn.Linear(4, 8)
        self.head = nn.Linear(6, 4)
        self.forward = forward.__get__(self)  # type: ignore[method-assign]

    def body(self, x: Tensor) -> Tensor:
        x = self.second(self.first(x).relu()).relu()
        return self.head(x.flatten(2).mean(2))


def plain(self: Any, x: Tensor) -> Tensor:
    return self.body(x)


def siamese(self: Any, left: Tensor, right: Tensor) -> Tensor:
    return self.head((self.second(self.first(left - right).relu())).mean((2, 3)))


def masked(self: Any, image: Tensor, mask: Tensor | None = None, *, weight: Tensor | None = None) -> Tensor:
    x = self.first(image).relu()
    x = x if mask is None else x * mask
    x = self.second(x if weight is None else x * weight[:, None, None, None])
    return self.head(x.mean((2, 3)))


def film(self: Any, x: Tensor, vector: Tensor, return_features: bool = False) -> Any:
    x = self.second(self.first(x) * self.scale(vector)[:, :, None, None])
    return (x, self.head(x.mean((2, 3)))) if return_features else self.head(x.mean((2, 3)))


def conditioned(self: Any, x: Tensor, label: Tensor) -> Tensor:
    return self.head(self.second(self.first(x) * self.embed(label)[:, :, None, None]).mean((2, 3)))


def any_number(self: Any, *images: Tensor, **options: Tensor) -> Tensor:
    return self.body(images[0] + images[1] * options.get("gain", 2.0))


def unused(self: Any, x: Tensor, ignored: Tensor) -> Tensor:
    return self.body(x)


IMAGE = (3, 6, 6)
GIVEN: dict[str, tuple[Callable[..., Any], Shapes, int]] = {
    "a sequence": (plain, (3, 9), 1),
    "a volume": (plain, (3, 4, 5, 6), 3),
    "two images": (siamese, (IMAGE, IMAGE), 2),
    "two by name, out of order": (siamese, {"right": IMAGE, "left": IMAGE}, 2),
    "one of three": (masked, IMAGE, 2),
    "a mask": (masked, (IMAGE, (1, 6, 6)), 2),
    "one by keyword only": (masked, {"image": IMAGE, "weight": ()}, 2),
    "a vector, and a flag by default": (film, (IMAGE, (4,)), 2),
    "labels": (conditioned, (IMAGE, (torch.int64,)), 2),
    "any number of them": (any_number, (IMAGE, IMAGE), 2),
    "one that nobody reads": (unused, (IMAGE, (7,)), 2),
}


def batch(shapes: Shapes, count: int = 4) -> Any:
    draws = torch.Generator().manual_seed(0)

    def draw(shape: tuple[Any, ...]) -> Tensor:
        if torch.int64 in shape:
            return torch.arange(count)
        return torch.randn(count, *shape, generator=draws, dtype=torch.double)

    return map_inputs(shapes, draw)


@pytest.mark.parametrize("name", GIVEN)
def test_small_is_masked(name: str) -> None:
    forward, shapes, rank = GIVEN[name]
    network = randomised(Between(forward, rank))
    graph = trace(network, shapes)
    assert set(graph.convolutions()) == {"first", "second"}
    choice, inputs = random_rows(graph, 0.5, seed=0), batch(shapes)
    with torch.no_grad():
        wanted = call(mask(network, choice, shapes, graph), inputs)
        assert relative(wanted, call(compact(network, choice, shapes, graph), inputs)) < 1e-12


def test_the_small_network_takes_its_inputs_by_place_and_by_name() -> None:
    network = randomised(Between(masked))
    small = compact(network, random_rows(trace(network, IMAGE), 0.5, 0), {"mask": (1, 6, 6), "image": IMAGE})
    image, mask_ = batch((IMAGE, (1, 6, 6)))
    torch.testing.assert_close(small(image, mask_), small(mask=mask_, image=image))


@pytest.mark.parametrize(
    ("shapes", "words"),
    [
        (
            (IMAGE, IMAGE, IMAGE),
            r"^Between.forward takes \(left, right\), and the example gives 3 by place: .*; give",
        ),
        ({"image": IMAGE}, r"gives inputs by name \(image\): missing a required argument: 'left'; give a tuple of"),
        (IMAGE, r"the example gives 1 by place: missing a required argument: 'right'"),
    ],
)
def test_inputs_that_forward_does_not_take(shapes: Shapes, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        trace(Between(siamese), shapes)

"""What a network gives, of whatever kind: the small one gives the same kind, and every tensor in it is certified."""

from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import pruning
from pruning.surgery.certificate import named_outputs

IMAGES = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
Pair = namedtuple("Pair", ["logits", "extra"])


@dataclass
class Record:
    logits: Any
    extra: Any = None


@dataclass
class ModelOutput(OrderedDict):
    """As those of transformers: a dict whose fields are attributes too."""

    logits: Any = None
    extra: Any = None

    def __post_init__(self) -> None:
        self.update((name, value) for name, value in vars(self).items() if value is not None)


class Giving(nn.Module):
    def __init__(self, give: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.first, self.last, self.give = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 4, 3, padding=1), give

    def forward(self, x: Tensor) -> Any:
        return self.give(self.last(self.first(x).relu()))


KINDS: dict[str, tuple[Callable[[Tensor], Any], list[str]]] = {
    "a named tuple": (lambda y: Pair(y, None), ["logits"]),
    "a dataclass": (lambda y: Record(y, y.mean()), ["logits", "extra"]),
    "a model output": (lambda y: ModelOutput(y, y.amax(1)), ["logits", "extra"]),
    "one in another": (lambda y: {"a": [y, (-y, None)], "n": 3}, ["a.0", "a.1.0"]),
    "classes and masks": (lambda y: (y, y.argmax(1), y > 0), ["0", "1", "2"]),
}


@pytest.mark.parametrize("name", KINDS)
def test_the_small_network_gives_the_same_kind(name: str) -> None:
    give, names = KINDS[name]
    model = Giving(give).eval()
    small = pruning.prune(model, IMAGES, "l1", layer=0.5)
    kept = [small.selection.kept(layer) for layer in ("first", "last")]
    assert kept == [4, 4]  # the last one's filters are the outputs
    outputs = small.network(IMAGES)
    assert type(outputs) is type(model(IMAGES))
    assert list(named_outputs(outputs)) == names


def test_channels_last_stays_so() -> None:
    model = Giving(lambda y: y).to(memory_format=torch.channels_last)
    small = pruning.prune(model, IMAGES, "l1", layer=0.5).network
    weights = [parameter for parameter in small.parameters() if parameter.ndim == 4]
    assert all(weight.is_contiguous(memory_format=torch.channels_last) for weight in weights)

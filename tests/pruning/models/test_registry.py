"""Networks by name: nothing but listed builders, with plain arguments, and without memory."""

import contextlib
import resource

import pytest

from pruning.models import Origin, resnet

SHAPE = (3, 32, 32)


def test_a_skeleton_is_the_network_without_numbers() -> None:
    bare = Origin("resnet", {"depth": 20, "shortcut": "B"}).skeleton(10, SHAPE)
    whole = resnet(20, 10, SHAPE, "B").state_dict()
    assert {key: value.shape for key, value in bare.state_dict().items()} == {k: v.shape for k, v in whole.items()}
    assert all(value.is_meta for value in bare.state_dict().values())


def test_weights_and_seed_are_no_part_of_an_origin() -> None:
    origin = Origin.of("torchvision_network", {"name": "resnet18", "weights": "DEFAULT", "seed": 3})
    assert origin == Origin("torchvision_network", {"name": "resnet18"})


@pytest.mark.parametrize(
    ("builder", "arguments", "words"),
    [
        ("os.system", {}, r"network must be one of resnet, .*, got 'os.system'"),
        ("__init__", {}, "network must be one of"),
        ("resnet", {}, r"resnet takes depth: int, shortcut: str .*, got resnet\(\)"),
        ("resnet", {"depth": "20"}, "resnet takes"),
        ("resnet", {"depth": True}, "resnet takes"),
        ("resnet", {"depth": 6 * 10**9 + 2}, "numbers up to 2048"),
        ("resnet", {"depth": -4}, "numbers up to 2048"),
        ("resnet", {"depth": 21}, "must be 6n"),
        ("resnet", {"depth": 20, "seed": 1}, "resnet takes"),
        ("vgg16", {"classes": 3}, "vgg16 takes nothing"),
        ("torchvision_network", {"name": "resnet18", "weights": "DEFAULT"}, "torchvision_network takes name"),
        ("torchvision_network", {"name": "../resnet18"}, "classification networks"),
    ],
)
def test_what_is_not_listed_is_refused(builder: str, arguments: dict, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Origin(builder, arguments).skeleton(10, SHAPE)


@pytest.mark.parametrize("side", [2**15, 2**24])
def test_a_network_beyond_memory_takes_none(side: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(ValueError):  # torch counts no further than 2**63 weights
        Origin("zfnet", {"normalise": True}).skeleton(10, (3, side, side))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB

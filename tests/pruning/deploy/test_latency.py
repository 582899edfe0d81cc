"""A budget of time meets its target on a machine whose times are known, in few candidates, or says why not."""

import re
from itertools import count

import pytest
import torch
from torch import nn

import pruning
from pruning.deploy.latency import CANDIDATES, Latency
from pruning.deploy.stopwatch import Conditions, Paired, Stopwatch, time_in_fresh_process
from pruning.files import export
from pruning.graph.cost import count_macs
from pruning.methods.group2d import Group2D
from pruning.models import resnet, vgg16
from pruning.timing import TOLERANCE, Ratio
from support.timers import CountedTimer

SHAPE = (3, 32, 32)
SMALL = (3, 8, 8)


def small_network() -> nn.Module:
    layers = [nn.Conv2d(3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(64 * 64, 4)).eval()


def prune(budget: Latency, network: nn.Module | None = None, shape: tuple[int, ...] = SMALL, **how: object):
    return pruning.prune(network or small_network(), torch.randn(1, *shape), "l1", budget=budget, **how)


@pytest.mark.parametrize(
    ("name", "joined", "ratio"),
    [("vgg16", "keep", 0.5), ("resnet", "expand", 0.1), ("resnet", "expand", 0.5), ("resnet", "couple", 0.8)],
)
def test_a_share_of_time_is_met_in_few_candidates(name: str, joined: str, ratio: float) -> None:
    network = vgg16(10, SHAPE) if name == "vgg16" else resnet(8, 10, SHAPE, "B")
    budget = Latency(ratio, round_to=2, timer=(timer := CountedTimer()))
    small = prune(budget, network.eval(), SHAPE, joined=joined)
    got = count_macs(small.network, SHAPE) / count_macs(network, SHAPE)
    assert got == pytest.approx(1 - ratio, rel=TOLERANCE)
    assert timer.timed <= 7 + 1, "and the network that came out once more"
    assert budget.met is not None
    assert len(budget.met.candidates) == timer.timed - 1 <= CANDIDATES
    kept = [layer.out_channels for layer in small.network.modules() if isinstance(layer, nn.Conv2d)]
    assert all(width % 2 == 0 for width in kept)


def test_milliseconds_are_met() -> None:
    dense_ms = count_macs(small_network(), SMALL) / 1e6
    budget = Latency(ms=0.4 * dense_ms, round_to=1, timer=CountedTimer())
    small = prune(budget)
    assert count_macs(small.network, SMALL) / 1e6 == pytest.approx(0.4 * dense_ms, rel=TOLERANCE)


def test_noise_within_the_interval_does_no_harm() -> None:
    """Every second time is 1 % too long."""
    quiet, calls = CountedTimer(), count()

    def noisy(dense: nn.Module, small: nn.Module, shape: tuple[int, int, int]) -> Paired:
        dense_ms, share = quiet(dense, small, shape)
        return Paired(dense_ms, Ratio(share.value * (1.01 if next(calls) % 2 else 1.0), share.half_width))

    budget = Latency(0.6, round_to=1, timer=noisy)
    small = prune(budget)
    got = count_macs(small.network, SMALL) / count_macs(small_network(), SMALL)
    assert got == pytest.approx(0.4, rel=TOLERANCE + 0.01)


def test_a_target_out_of_reach_names_what_can_be_reached() -> None:
    with pytest.raises(ValueError, match=r"^ratio=0.9999 is below what this network can reach: ") as refused:
        prune(Latency(0.9999, round_to=1, timer=CountedTimer()))
    ((bound,),) = (re.findall(r"ratio in \[0, ([\d.]+)\]", str(refused.value)),)
    assert 0.99 < float(bound) < 1
    assert "\n" not in str(refused.value)


def test_what_the_dense_network_meets_already_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^ms=1000 is met by the dense network, which takes 2.49 ms: nothing has to"):
        prune(Latency(ms=1000, timer=CountedTimer()))


@pytest.mark.parametrize(("half_width", "ratio", "most"), [(0.06, 0.5, "5"), (0.03, 0.02, "2")])
def test_a_machine_too_busy_to_tell_is_never_said_to_have_met_the_target(
    half_width: float, ratio: float, most: str
) -> None:
    known = f"known to {100 * half_width:.1f} % only, {most} % is the most"
    with pytest.raises(ValueError, match=f"^this machine is too busy to time: .* {known}"):
        prune(Latency(ratio, timer=CountedTimer(half_width)))


def test_steps_that_are_too_coarse_are_refused_with_the_nearest() -> None:
    with pytest.raises(
        ValueError, match=r"^ratio=0.3 cannot be met within 3 %: the nearest of \d networks takes .* ms"
    ):
        prune(Latency(0.3, round_to=32, timer=CountedTimer()))


def test_the_same_order_is_not_timed_twice() -> None:
    budget = Latency(0.5, round_to=1, timer=(timer := CountedTimer()))
    first = prune(budget)
    timed = timer.timed
    assert dict(prune(budget).selection.items()).keys() == dict(first.selection.items()).keys()
    assert timer.timed == timed + 1, "the network that came out"


def test_kernels_in_groups_are_timed_too() -> None:
    budget = Latency(0.4, round_to=1, timer=CountedTimer())
    method = Group2D(budget, groups=4, score="l1")
    pruner = pruning.attach(network := small_network(), torch.randn(1, *SMALL), method, steps=1)
    small = pruner.finish()
    got = count_macs(small.network, SMALL) / count_macs(network, SMALL)
    assert got == pytest.approx(0.6, rel=TOLERANCE)


def test_what_came_out_is_told_and_kept(tmp_path: str) -> None:
    small = prune(Latency(0.5, round_to=1, timer=CountedTimer()))
    assert re.search(
        r"time +\d+\.\d % of 2.49 ms \+- 0.4 % \(ratio=0.5 asked; onnxruntime, batch 1, 1 thread;", str(small)
    )
    pruning.save(small, tmp_path)
    assert str(pruning.load(tmp_path)) == str(small)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "give ratio, a share of time to remove, or ms, milliseconds"),
        ({"ratio": 0.5, "ms": 3.0}, "give ratio, a share of time to remove, or ms, milliseconds"),
        ({"ratio": 1.2}, r"ratio must lie in \[0, 1\), got 1.2"),
        ({"ms": -1}, "ms must be above 0, got -1"),
        ({"ratio": 0.5, "threads": 0}, "batch and threads must be 1 or more, got 1 and 0"),
        ({"ratio": 0.5, "round_to": "all"}, "round_to must be a whole number or auto, got 'all'"),
        ({"ratio": 0.5, "runtime": "tensorrt"}, "runtime must be one of eager, .*, got 'tensorrt'"),
    ],
)
def test_what_cannot_be_meant_is_refused(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Latency(**arguments)


def test_a_network_of_other_inputs_is_refused() -> None:
    network = nn.Sequential(nn.Conv1d(3, 8, 3), nn.ReLU(), nn.Conv1d(8, 4, 3)).eval()
    with pytest.raises(ValueError, match="a budget of time is for networks of one input, images; this one takes"):
        prune(Latency(0.5, timer=CountedTimer()), network, (3, 9))


def test_two_networks_are_timed_in_a_fresh_process() -> None:
    """No time is judged: a network many times as wide takes longer on any machine."""
    wide, narrow = (nn.Sequential(nn.Conv2d(3, width, 3), nn.Conv2d(width, width, 3)).eval() for width in (128, 8))
    paired = time_in_fresh_process(wide, narrow, SHAPE, Conditions("eager", 1, 1))
    assert paired.dense_ms > paired.ms > 0


def test_two_networks_are_timed_here_in_onnx_runtime() -> None:
    for library in export.EXTRA:
        pytest.importorskip(library)
    paired = Stopwatch(Conditions("onnxruntime", 1, 1))(small_network(), small_network(), SMALL)
    assert paired.dense_ms > 0
    assert paired.share.half_width >= 0

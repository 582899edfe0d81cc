"""From timings to what a benchmark writes: medians, shares, ratios and aims, each by hand."""

from types import SimpleNamespace

import pytest

from experiments.benchmarks import (
    callback,
    compaction,
    criteria,
    faults,
    fcf_update,
    group2d_forms,
    memory,
    peer,
    pruned,
    report,
    scoring,
    training,
)
from experiments.benchmarks import input as input_benchmark
from experiments.benchmarks.harness import Aim, format_value, time_paired
from experiments.benchmarks.input import Pass


def test_contenders_take_turns_and_the_median_counts_without_the_warm_turn() -> None:
    seconds = map(float, [0, 0.01, 0, 1, 0, 4, 0, 2, 0, 5, 0, 3, 0, 60])
    calls: list[str] = []
    work = {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}
    assert time_paired(work, rounds=3, warm=1, clock=lambda: next(seconds)) == {"a": 2000, "b": 5000}
    assert calls == ["a", "b"] * 4


@pytest.mark.parametrize(("value", "text"), [(12345.6, "12,346"), (0.123456, "0.1235"), (3, "3"), ("l1", "l1")])
def test_a_figure_has_four_digits(value: object, text: str) -> None:
    assert format_value(value) == text


def test_input_a_share_is_the_median_of_each_turns_share() -> None:
    """The yardstick swings from turn to turn: the ratio of the medians would be 1."""
    clocks = [(10.0, 10.0), (20.0, 40.0), (40.0, 20.0)]
    turns = [{"ours": Pass(own, own, 1.0), "bare": Pass(bare, bare / 2, 0.0)} for own, bare in clocks]
    row = input_benchmark.side_row("images", "ours", turns, "bare")
    assert (row["images/s"], row["times the yardstick, clock"], row["times the yardstick, CPU"]) == (20, 1, 2)
    assert row["main process, ms per image"] == 1


@pytest.mark.parametrize(("device", "turn"), [("cpu", 1), ("cuda", 20)])
def test_training_speed_is_the_median_pair_of_turns_after_the_warm_ones(device: str, turn: int) -> None:
    turns = training.Turns(SimpleNamespace(train_dataloader=None), lambda: None, device, 3)
    turns.loop, turns.stage = [9, 9, 1, 2, 3], [1, 1, 2, 2, 4]
    assert turns.ratio() == 0.75
    assert turns.milliseconds(turns.loop) == 2000 / turn


def test_training_aims_are_the_devices() -> None:
    rows = [{"network": "VGG-16", "stage's speed of bare": 0.92, "FCF's step over plain": 0.04}]
    assert [aim.met for aim in training.aims(rows)] == [False, True]
    assert [aim.met for aim in training.aims(rows, device="cuda")] == [True, True]


def test_pruned_takes_the_better_runtime_and_its_least_ratio() -> None:
    def row(runtime: str, quotient: float, method: str = "l1" + pruned.ROUNDED) -> dict[str, object]:
        case = {"network": "vgg16, 32", "method": method, "batch": 64}
        return case | {"runtime": runtime, "quotient": quotient, "times faster": 2.0}

    rows = [row("compiled", 0.8), row("compiled", 0.99), row("onnxruntime", 0.95), row("onnxruntime", 0.91)]
    first, second, _ = pruned.aims([*rows, row("eager", 2.0), row("compiled", 2.0, "l1")])
    assert (first.got, first.met) == (0.91, True)
    assert second.got != second.got, "nothing was measured of it"
    assert not second.met


def test_aims_of_single_figures() -> None:
    sizes = {"ResNet-20": (1.0, 60.0), "ResNet-56": (2.0, 51.0), "ResNet-110": (2.5, 40.0)}
    rows = [{"network": name, "ours, ms": ms, "times faster": times} for name, (ms, times) in sizes.items()]
    assert [(aim.got, aim.met) for aim in fcf_update.aims(rows)] == [(51, True), (2.5, False)]
    assert faults.aims([{"share": 0.021}]) == [
        Aim("checks and checkpoints: share of an epoch of ResNet-20", 0.02, 0.021, "most")
    ]
    seconds = {"forward and back": 20.0, "all quantities": 30.0, "l2": 0.5, "fpgm": 1.5}
    aims = criteria.aims([{"what": what, "seconds": figure} for what, figure in seconds.items()])
    assert [(aim.got, aim.met) for aim in aims] == [(1.525, True)], "30 s, and half a second of fpgm's, in passes of 20"
    assert scoring.aims([{"L1's scores, ms": 99.0}, {"L1's scores, ms": 7.0}])[0].met


def test_compaction_counts_a_convolutions_share_and_a_peer_only_where_there_is_one() -> None:
    row = {"network": "resnet18", "convolutions": 20, "ours, ms per convolution": 10.0, "ours, s": 0.2}
    row["of that, tracing, s"] = 0.05
    times = {"ours": 200.0, "trace": 50.0}
    assert compaction.compaction_row("resnet18", 20, times) == row
    assert compaction.compaction_row("resnet18", 20, times | {"torch-pruning": 900.0}) == row | {
        "torch-pruning, s": 0.9
    }


def test_a_checkpoint_is_written_once_an_epoch_and_a_check_made_at_every_step() -> None:
    row = faults.cost_row({"step": 100.0, "check": 1.0, "checkpoint": 50.0}, steps=50)
    assert row == {"step ms": 100, "check ms": 1, "checkpoint ms": 50, "steps": 50, "share": 100 / 5000}


def test_an_update_is_one_of_fifty_in_a_row_or_one_with_cold_caches() -> None:
    figures = fcf_update.update_figures(in_a_row=100.0, cold=4.0, qp=60.0)
    assert (figures["ours, ms"], figures["times faster"], figures["times faster after a convolution"]) == (2, 30, 15)


def test_forms_are_compared_with_the_dense_network() -> None:
    times = {"dense": 12.0, "split": 6.0, "grouped": 4.0}
    assert group2d_forms.speedups(times) == {"dense, ms": 12, "split": 2, "grouped": 3}
    assert group2d_forms.fewer_macs(1000, 250, 400) == "4.0x, 2.5x padded"


def test_a_field_of_the_processes_status_is_read_by_its_whole_name() -> None:
    status = "Name:\tpython\nVmHWMark:\t   1 kB\nVmHWM:\t  2048 kB\nVmRSS:\t  1024 kB\n"
    assert (memory.parse_kilobytes(status, "VmHWM"), memory.parse_kilobytes(status, "VmRSS")) == (2048, 1024)


def test_a_page_is_as_fast_as_its_median_visit() -> None:
    row = report.page_row("336 rows", 7.0, 6_500_000, [1.5, 0.9, 3.0, 1.0, 1.1])
    assert row["size, MB"] == 6.5
    assert (row["drawn after, s (median)"], row["drawn after, s (worst)"]) == (1.1, 3)
    assert [aim.met for aim in report.page_aims(report.PAGES[0], row)] == [True, False]


def test_callback_the_update_is_no_cost_of_the_callback() -> None:
    row = callback.cost_row("fcf", [0.1, 0.2, 0.9], [[0.001, 0.002, 0.003], [0.004] * 3], [0.002, 0.005, 0.003])
    assert row["step, ms"] == 200
    assert row["hooks, ms"] == pytest.approx(6)
    assert row["callback's share"] == pytest.approx(0.015)
    assert row["share with the update"] == pytest.approx(0.03)
    assert [aim.met for aim in callback.aims([row])] == [False]


def test_beside_torch_pruning_the_median_the_slowest_and_the_least_exact_are_aimed_at() -> None:
    row: dict[str, object] = {"ours cut": 0.6, "theirs cut": 0.3, "ours differ by": 1e-15, "theirs differ by": 1e-13}
    aims = peer.aims([row | {"ratio": 0.5}, row | {"ratio": 0.9}, row | {"ratio": 2.0}])
    assert [aim.got for aim in aims] == [0.9, 2.0, 0.3, 1e-13]
    assert [aim.met for aim in aims] == [True, False, True, True]

"""budget=latency in a run: met, written down, kept for whoever goes on, and refused before anything is trained."""

import json
from pathlib import Path

import pytest

from experiments import program
from experiments.config.refusal import Refusal
from experiments.records import record
from pruning.planning import Plan
from support.running import run, untimed
from support.timers import KNOWN_TO, TIMER
from support.tiny_run import config, settings

COUNTED = ("budget=latency", "budget._target_=support.timers.counted", "budget.round_to=1")


@pytest.fixture(autouse=True)
def own_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNING_TARGETS", "support.tiny_run:support.timers")


def test_a_run_meets_its_target_and_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = run(tmp_path, *COUNTED, "ratio=0.4")
    found = made.budget.latency
    assert found is not None
    assert (found.asked, found.asked_ms, found.half_width) == (0.6, None, KNOWN_TO)
    assert found.got == pytest.approx(0.6, rel=0.03) == 1 - made.budget.got_macs
    assert [point.time for point in found.curve] == pytest.approx([point.macs for point in found.curve])
    shown = capsys.readouterr().out
    assert "time         asked 60.0 %, got " in shown
    assert "met within 3 % (onnxruntime, batch 1, 1 thread)" in shown
    assert record.read(next(tmp_path.glob("*/record.json"))) == made


def test_a_run_that_goes_on_has_the_same_network_and_times_nothing(tmp_path: Path) -> None:
    first = run(tmp_path, *COUNTED, "ratio=0.4")
    next(tmp_path.glob("*/record.json")).unlink()
    timed = TIMER.timed
    again = run(tmp_path, *COUNTED, "ratio=0.4")
    assert TIMER.timed == timed + 1, "the network that came out"
    assert all(stage.reused for stage in again.stages)
    assert untimed(again) == untimed(first)


def test_a_search_that_is_damaged_is_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tmp_path, *COUNTED, "ratio=0.4")
    next(tmp_path.glob("*/record.json")).unlink()
    (path,) = (tmp_path / "store").glob("latency-*.json")
    path.write_text(json.dumps({"counts": {}}))
    run(tmp_path, *COUNTED, "ratio=0.4")
    assert "is damaged (KeyError): timed again" in capsys.readouterr().out
    assert set(json.loads(path.read_text())) == {"counts", "paired", "candidates"}


def test_milliseconds_take_the_place_of_the_ratio(tmp_path: Path) -> None:
    asked = settings(*COUNTED, "budget.ms=0.0312", f"folder={tmp_path}")
    assert (asked.ratio, asked.budget.arguments["ratio"], asked.ms) == (0.0, None, 0.0312)
    assert asked.name.endswith("-0.0312ms-s0")
    made = run(tmp_path, *COUNTED, "budget.ms=0.0312", "recipe.baseline.epochs=1", "recipe.finetune.epochs=0")
    found = made.budget.latency
    assert found is not None
    assert found.got is not None
    assert found.got * (found.dense_ms or 0) == pytest.approx(0.0312, rel=0.03)
    assert made.budget.asked_ms == 0.0312


def test_a_plan_shows_what_can_be_asked_for_and_a_curve(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = program.run(config(*COUNTED, "ratio=0.4", "plan=true", f"folder={tmp_path}"))
    assert isinstance(shown, Plan)
    assert shown.time is not None
    assert len(shown.time.candidates) >= 4
    words = capsys.readouterr().out
    assert "ms can be asked for on this machine" in words
    assert "100.0 %" in words
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("ratio=0.999",), r"ratio=0\.999 is below what this network can reach: .* ms here, ratio in"),
        (("budget.ms=1000",), r"budget\.ms=1000 is met by the dense network, which takes"),
        (("budget.runtime=tensorrt", "budget._target_=pruning.deploy.latency.Latency"), "budget.runtime must be one"),
        (("budget.ms=-1",), "budget.ms must be above 0"),
        (("program=table", "table.criteria=[l1]"), "a budget of time is met by timing: take budget=macs"),
    ],
)
def test_what_cannot_be_met_is_refused_before_training(
    overrides: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(Refusal, match=message):
        program.run(config(*COUNTED, *overrides, f"folder={tmp_path}"))
    assert not list(tmp_path.glob("*/*"))

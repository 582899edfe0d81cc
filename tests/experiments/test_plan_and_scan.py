"""plan=true and sensitivity=true: what is shown, and that no run is made or touched."""

import json
import re
from pathlib import Path

import pytest

from experiments import program
from experiments.config.settings import load, tell_closed
from pruning.planning import Plan
from support.tiny_run import composed, config


def test_a_plan_trains_nothing_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown_plan = program.run(config(f"folder={tmp_path / 'new'}", "plan=true", "ratio=0.5"))
    assert isinstance(shown_plan, Plan)
    assert [row.rows for row in shown_plan.rows] == [(4, 8), (4, 8)]
    shown = capsys.readouterr().out
    assert "body.0" in shown
    assert "4/8" in shown
    assert "training in" not in shown
    assert not (tmp_path / "new").exists()


def test_a_plan_says_what_was_asked_and_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown_plan = program.run(config(f"folder={tmp_path}", "plan=true", "budget=macs", "allocation=erk", "ratio=0.4"))
    shown = capsys.readouterr().out
    assert isinstance(shown_plan, Plan)
    assert 0.4 <= 1 - shown_plan.after.macs / shown_plan.before.macs < 0.5
    assert "40 % of MACs, allocation erk" in shown
    assert "l1-digits-erk-0.4-s0" in shown.replace("support.tiny_run.chain-", "").replace(
        "support.tiny_run.Quadrants", "digits"
    )
    program.run(config(f"folder={tmp_path}", "plan=true"))
    assert "50 % of each layer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((), True),
        (("ratio=0.3",), True),
        (("budget=macs",), False),
        (("budget=layer",), False),
        (("method=dense",), False),
        (("sensitivity=true",), False),
        (("experiment=l1/resnet56_a",), False),
    ],
)
def test_whoever_did_not_say_what_the_ratio_is_of_is_told_that_it_is_of_macs(
    asked: tuple[str, ...], told: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    job = composed(*asked)
    tell_closed(job, load(job))
    share = "30" if "ratio=0.3" in asked else "50"
    line = f"{share} % of MACs (until now: of each layer; budget=layer)\n"
    assert capsys.readouterr().out == (line if told else "")


def test_a_modified_experiment_is_told_before_any_figure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("experiment=l1/resnet56_a", "plan=true", f"folder={tmp_path}")
    program.run(composed(*asked, "ratio=0.2"))
    words = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.strip()]
    assert words[words.index("modified") :][:7] == [
        "modified",
        "asked",
        "stages",
        "MACs",
        "params",
        "published",
        "published",
    ]
    program.run(composed(*asked))
    assert "modified" not in capsys.readouterr().out


def test_filters_that_nobody_reads_are_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two groups of two channels each read at most four of the first convolution's eight filters."""
    group2d = ("method=group2d", "method.score=l1", "method.groups=2", "ratio=0.75")
    program.run(config(f"folder={tmp_path}", "plan=true", *group2d))
    shown = " ".join(capsys.readouterr().out.split())
    assert "first no kernel is chosen in the first convolution" in shown
    assert re.search(r"unread filters that no kept kernel reads go .* body\.0 keeps [2-4] of 8", shown)


def test_a_scan_says_what_every_layer_tolerates(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = program.run(config(f"folder={tmp_path}", "sensitivity=true", "scan.ratios=[0.25,0.75]"))
    (path,) = tmp_path.glob("*/sensitivity.json")
    assert path.parent == folder
    found = json.loads(path.read_text())
    assert [(point["site"], point["ratio"], point["kept"]) for point in found["points"]] == [
        *[("body.0", 0.25, 6), ("body.0", 0.75, 2)],
        *[("body.3", 0.25, 6), ("body.3", 0.75, 2)],
    ]
    tolerated = [p["ratio"] for p in found["points"] if found["dense"] - p["accuracy"] <= 0.01]
    assert all(ratio in (0.0, *tolerated) for ratio in found["allowed"].values())
    assert (path.parent / "sensitivity.png").read_bytes().startswith(b"\x89PNG")
    assert "budget=layer '+budget.table={body.0:" in capsys.readouterr().out


def test_a_scan_leaves_a_finished_run_alone(tmp_path: Path) -> None:
    program.run(config(f"folder={tmp_path}"))
    before = {path: path.read_bytes() for path in tmp_path.glob("l1-*/**/*") if path.is_file()}
    program.run(config(f"folder={tmp_path}", "sensitivity=true", "scan.ratios=[0.5]"))
    assert {path: path.read_bytes() for path in tmp_path.glob("l1-*/**/*") if path.is_file()} == before

"""The end of a run, line by line, as a terminal of 100 and of 80 columns shows it."""

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.cli import summary
from experiments.records.jobs import JOB
from experiments.records.record import Record, Repair, Round, read
from experiments.report.table import RESULTS

RECORD = replace(
    read(RESULTS / "cifar10_resnet20" / "l1.json"),
    command="python run.py model=resnet20 data=cifar10 tracking=none method=l1",
)


def lines(record: Record, width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> list[str]:
    monkeypatch.setattr(summary.console, "width", width)
    summary.show(record, Path("outputs/l1"))
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


SHOWN = """
l1 on resnet20, cifar10, ratio 0.5 (layer), seed 0

                       dense    pruned   fine-tuned            change
 ─────────────────────────────────────────────────────────────────────
  test accuracy      91.73 %   14.75 %      89.07 %      -2.66 points
  MACs                40.6 M    20.5 M       20.5 M   -49.5 %   1.98x
  parameters           270 k     136 k        136 k   -49.7 %   1.99x
  size               1.08 MB    547 kB       547 kB   -49.5 %   1.98x
  latency batch 1    2.56 ms    1.6 ms       1.6 ms   -37.5 %   1.60x
  latency batch 64   85.1 ms   40.3 ms      40.3 ms   -52.7 %   2.11x


  stage      epochs   epoch taken   validation   time   images/s   made at
 ───────────────────────────────────────────────────────────────────────────
  finetune        5             5            -   7:18        571   ed3c91b2

certificate  0.0e+00 (largest |masked - small| on a real batch, relative; limit 1e-4)
measured on  AMD EPYC, 1 threads, trained in bf16-mixed
record       outputs/l1/record.json
compare      python run.py model=resnet20 data=cifar10 tracking=none method=random
"""


@pytest.mark.parametrize("width", [100, 80])
def test_the_end_of_a_run(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert lines(RECORD, width, monkeypatch, capsys) == SHOWN.splitlines()


def test_what_was_mended_stands_between_the_cut_and_fine_tuning(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    repairs = [Repair("merge", 9, ["a", "b", "c", "d"], 0), Repair("ls", 20, [], 400)]
    shown = lines(replace(RECORD, repaired=RECORD.tuned, repairs=repairs), 100, monkeypatch, capsys)
    assert shown[3:6:2] == [
        "                       dense    pruned   repaired   fine-tuned            change",
        "  test accuracy      91.73 %   14.75 %    89.07 %      89.07 %      -2.66 points",
    ]
    assert "repair       merge: 9 layers, 4 left as they were (a, b, c, ...)" in shown
    assert "repair       ls: 20 layers on 400 images without labels" in shown


def test_what_a_reader_must_know_stands_beneath() -> None:
    odd = replace(
        RECORD, modified=["ratio=0.2"], experiment="l1/x", gates_accuracy=0.5, val_seen=True, left_out={"test": 2}
    )
    assert summary.remark_lines(odd)[1:-1] == [
        "modified     ratio=0.2: not the setting of experiment=l1/x",
        "with gates   50.00 % (full size, before any filter was removed)",
        "left out     2 test images could not be read",
        "validation   may have been seen by the baseline: it selected nothing, the last epoch was taken",
    ]


def test_what_accuracy_does_not_show_is_one_line() -> None:
    dense = replace(RECORD.dense, nll=0.2984, ece=0.019, accuracy_by_class=[0.9, None, 0.8, 0.95], flips=0.0)
    tuned = replace(RECORD.tuned, nll=0.31249, ece=0.0213, accuracy_by_class=[0.91, None, 0.752, 0.94], flips=0.06124)
    shown = replace(RECORD, dense=dense, tuned=tuned, classes=["cat", "dog", "deer", "frog"])
    line = "answers      6.12 % unlike dense, nll 0.298 -> 0.312, ece 1.9 -> 2.1 %, class deer lost most (-4.8 points)"
    assert summary.remark_lines(shown)[1] == line
    bare = replace(shown, tuned=replace(tuned, nll=None, accuracy_by_class=[0.91, None, 0.8, 0.95]))
    assert summary.remark_lines(bare)[1] == "answers      6.12 % unlike dense, ece 1.9 -> 2.1 %"


def test_rounds_are_one_line() -> None:
    rounds = [Round(30_000_000, 1000, 1e-7), Round(20_500_000, 900, 2e-7)]
    assert summary.remark_lines(replace(RECORD, rounds=rounds))[1] == "rounds       2, to 30 M, 20.5 M MACs"


def test_what_to_run_next() -> None:
    digits = replace(RECORD, data="digits", command="python run.py method=l1 model=resnet20 ratio=0.3 repair=ls")
    assert summary.comparison_command(digits) == (
        "python run.py method=l1 model=resnet20 ratio=0.3 repair=ls data=cifar10"
    )
    own = replace(digits, command="python run.py model=mine.Net data=digits data.val=0 baseline=mine.pt seed=1")
    assert summary.comparison_command(own) == "python run.py model=mine.Net seed=1 data=cifar10"
    choice = replace(digits, command="PRUNING_TARGETS=mine python run.py --config-dir=my method=mine data.val=0")
    assert summary.comparison_command(choice) == (
        "PRUNING_TARGETS=mine python run.py --config-dir=my method=mine data=cifar10"
    )
    there = replace(digits, data="cifar10", command="python run.py method=l1 +method.only=[a] data=cifar10 ratio=0.3")
    assert summary.comparison_command(there) == "python run.py data=cifar10 ratio=0.3 method=random"


def test_what_to_run_next_is_not_said_in_a_sweep(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(JOB, "outputs/sweep/a/b")
    assert lines(RECORD, 100, monkeypatch, capsys)[-1] == "record       outputs/l1/record.json"


def test_the_title_names_the_allocation_and_the_repair() -> None:
    by_lamp = replace(RECORD, budget=replace(RECORD.budget, of="macs", allocation="lamp"))
    mended = replace(by_lamp, repairs=[Repair("merge", 9, [], 0), Repair("ls", 20, [], 400)])
    assert summary.title(mended) == "l1 on resnet20, cifar10, ratio 0.5 (macs by lamp), repair merge,ls, seed 0"

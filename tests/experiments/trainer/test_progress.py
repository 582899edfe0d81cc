"""What a run that writes to a file says while an epoch lasts."""

import re
from pathlib import Path

import pytest

from experiments.trainer import progress
from support.running import run


@pytest.mark.parametrize(("silence", "lines"), [(0.0, 12), (300.0, 0)])
def test_a_log_is_not_silent_for_longer_than_it_may_be(
    silence: float, lines: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Three epochs of four steps; with no patience each step is told."""
    monkeypatch.setattr(progress, "SILENCE", silence)
    run(tmp_path)
    output = capsys.readouterr().out
    lines_within = re.findall(r"baseline  (\d+) % of epoch (\d)/3  loss \d\.\d{3}.*, \d:\d\d left\n", output)
    assert len(lines_within) == lines
    assert lines_within[:5] == [("25", "1"), ("50", "1"), ("75", "1"), ("100", "1"), ("25", "2")][: len(lines_within)]
    assert len(re.findall(r"baseline  epoch \d/3  loss", output)) == 3

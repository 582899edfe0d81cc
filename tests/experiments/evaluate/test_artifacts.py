"""By what a network in its folder is built again."""

from pathlib import Path

import pytest

from experiments.evaluate.artifacts import origin_of
from support.tiny_run import any_settings


def test_without_a_baseline_the_folder_one_stands_in_is_not_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert str(origin_of(any_settings("model=resnet20"))) == "resnet(depth=20, shortcut='A')"
    assert origin_of(any_settings("model=resnet20", f"baseline={tmp_path}")) is None

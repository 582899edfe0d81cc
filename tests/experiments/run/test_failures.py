"""What an experiment raises after training has begun."""

from pathlib import Path

import pytest

from experiments.config.refusal import Refusal
from experiments.records import status
from pruning.training.task import ClassificationTask
from support.running import run


@pytest.mark.parametrize(("kind", "shown"), [(ValueError, Refusal), (KeyError, KeyError)])
def test_an_error_in_a_stage_is_one_line_with_its_traceback_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception], shown: type[Exception]
) -> None:
    """A fault of ours keeps its traceback on the terminal too."""

    def odd(*_: object) -> None:
        raise kind("an odd\nvalue")

    monkeypatch.setattr(ClassificationTask, "training_step", odd)
    with pytest.raises(shown) as raised:
        run(tmp_path)
    (path,) = tmp_path.glob("*/error.txt")
    assert "in odd" in path.read_text()
    found = status.read(path.parent)
    assert found is not None
    assert found.state == "FAILED"
    if kind is ValueError:
        assert str(raised.value) == f"stage baseline failed: an odd value (traceback: {path})"
        assert found.reason == str(raised.value)
    monkeypatch.undo()
    run(tmp_path)
    assert not path.exists()

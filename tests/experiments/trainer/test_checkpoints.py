import os
from pathlib import Path

import pytest
import torch

from experiments.trainer.checkpoints import DurableCheckpoints, exists, previous_path


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A checkpoint of step 2 and, before it, one of step 1."""
    path = tmp_path / "last.ckpt"
    for step in (1, 2):
        DurableCheckpoints().save_checkpoint({"global_step": step, "state_dict": {"w": torch.ones(1000)}}, path)
    return path


def step(path: Path) -> int:
    return DurableCheckpoints().load_checkpoint(path)["global_step"]


def test_the_newest_is_read(two: Path) -> None:
    assert step(two) == 2
    assert sorted(two.parent.iterdir()) == sorted([two, previous_path(two)])


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
def test_a_torn_one_gives_way_to_the_one_before_by_name(
    two: Path, share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    os.truncate(two, int(two.stat().st_size * share))
    assert step(two) == 1
    assert str(two) in capsys.readouterr().out


def test_a_flipped_bit_is_noticed(two: Path) -> None:
    content = bytearray(two.read_bytes())
    content[-100] ^= 1
    two.write_bytes(content)
    assert step(two) == 1


def test_a_kill_between_the_two_renames_loses_nothing(two: Path) -> None:
    two.unlink()
    assert exists(two)
    assert step(two) == 1


def test_all_torn_is_an_error_that_deletes_nothing(two: Path) -> None:
    for path in (two, previous_path(two)):
        path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"no checkpoint of .* is intact: delete"):
        step(two)
    assert two.exists()


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    path = tmp_path / "last.ckpt"
    DurableCheckpoints().save_checkpoint({"trap": Trap()}, path)
    with pytest.raises(Exception, match=r"weights_only|Weights only"):
        step(path)
    assert not (tmp_path / "sprung").exists()


def test_a_checkpoint_of_another_device_opens_on_the_processor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU's is opened where there is none, and not on the GPU of another process."""
    path = tmp_path / "last.ckpt"
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: "cuda:0")
    DurableCheckpoints().save_checkpoint({"w": torch.ones(3)}, path)
    monkeypatch.undo()
    assert b"cuda:0" in path.read_bytes()
    found = DurableCheckpoints().load_checkpoint(path)["w"]
    assert found.device.type == "cpu"
    assert found.tolist() == [1, 1, 1]

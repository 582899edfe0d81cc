from pathlib import Path

import pytest
import torch

from experiments.records.record import Stage
from experiments.run.store import Store

DIGEST = "0123456789abcdef" * 4
STAGE = Stage("baseline", 1, 1, 0.5, 2.0, 100.0, 10, DIGEST, "abc", False)
WEIGHTS = {"weight": torch.arange(4.0), "count": torch.tensor(3)}


class Work:
    """Counts how often it was asked."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self, folder: Path) -> tuple[dict[str, torch.Tensor], Stage]:
        self.done += 1
        return WEIGHTS, STAGE


def make(root: Path, work: Work, digest: str = DIGEST, reuse: bool = True) -> bool:
    return Store(root, reuse).stage("baseline", digest, work).stage.reused


def test_a_finished_stage_is_never_redone(tmp_path: Path) -> None:
    work = Work()
    assert [make(tmp_path, work), make(tmp_path, work)] == [False, True]
    assert work.done == 1


def test_the_stored_weights_come_back(tmp_path: Path) -> None:
    make(tmp_path, Work())
    found = Store(tmp_path, True).stage("baseline", DIGEST, Work())
    assert all(torch.equal(found.weights[name], value) for name, value in WEIGHTS.items())
    assert found.stage.commit == "abc"


def test_another_digest_is_another_stage(tmp_path: Path) -> None:
    work = Work()
    make(tmp_path, work)
    make(tmp_path, work, digest=DIGEST[::-1])
    assert work.done == 2


def test_store_false_makes_it_again(tmp_path: Path) -> None:
    work = Work()
    make(tmp_path, work)
    assert not make(tmp_path, work, reuse=False)
    assert work.done == 2


@pytest.mark.parametrize("name", ["weights.safetensors", "stage.json"])
def test_damage_is_said_and_made_again(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    work = Work()
    make(tmp_path, work)
    damaged = next(tmp_path.rglob(name))
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content[:-2])
    make(tmp_path, work)
    assert work.done == 2
    assert "damaged" in capsys.readouterr().out


def test_an_unfinished_stage_is_not_taken(tmp_path: Path) -> None:
    work = Work()
    make(tmp_path, work)
    next(tmp_path.rglob("stage.json")).unlink()
    make(tmp_path, work)
    assert work.done == 2


def test_a_failure_leaves_the_lock_free(tmp_path: Path) -> None:
    def fail(folder: Path) -> tuple[dict[str, torch.Tensor], Stage]:
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        Store(tmp_path, True).stage("baseline", DIGEST, fail)
    work = Work()
    make(tmp_path, work)
    assert work.done == 1

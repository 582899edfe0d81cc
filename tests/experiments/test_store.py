"""What lies in the store of finished stages, and what may go: only what no record needs, and nothing where runs may."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import store
from experiments.records import status
from support.running import run


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished runs over one baseline, and nothing else."""
    folder = tmp_path_factory.mktemp("kept")
    for ratio in (0.25, 0.5):
        run(folder, f"ratio={ratio}")
    return folder


@pytest.fixture
def folder(kept: Path, tmp_path: Path) -> Path:
    """A copy, to damage."""
    return Path(shutil.copytree(kept, tmp_path / "outputs"))


def stored(folder: Path) -> set[str]:
    return {path.name.rpartition("-")[0] for path in (folder / "store").iterdir()}


def test_what_every_record_needs_stays(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted((folder / "store").iterdir())
    assert len(before) == 3
    assert store.main([str(folder), "--remove"]) == 0
    assert "every stage is needed by a record" in capsys.readouterr().out
    assert sorted((folder / "store").iterdir()) == before


def test_what_only_a_deleted_run_needed_is_said_and_removed_when_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(next(folder.glob("l1-*-0.5-*")))
    assert store.main([str(folder)]) == 0
    assert "no record needs 1 stage (" in capsys.readouterr().out
    assert len(list((folder / "store").iterdir())) == 3
    assert store.main([str(folder), "--remove"]) == 0
    assert "removed 1 stage (" in capsys.readouterr().out
    assert stored(folder) == {"baseline", "finetune"}
    run(folder, "ratio=0.25")  # still whole
    assert len(list((folder / "store").iterdir())) == 2


def test_nothing_is_removed_while_a_run_may_go_on_from_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unfinished = next(folder.glob("l1-*-0.5-*"))
    (unfinished / "record.json").unlink()
    made = status.read(unfinished)
    assert made is not None
    status.write(unfinished, replace(made, state=status.PREEMPTED))
    assert store.main([str(folder), "--remove"]) == 1
    assert str(unfinished) in capsys.readouterr().out.replace("\n", "")
    assert len(list((folder / "store").iterdir())) == 3


@pytest.mark.parametrize("name", store.LOOKED)
def test_nor_where_a_dense_network_was_looked_at(name: str, folder: Path) -> None:
    shutil.rmtree(next(folder.glob("l1-*-0.5-*")))
    (folder / "looked").mkdir()
    (folder / "looked" / name).write_text("{}")
    assert store.main([str(folder), "--remove"]) == 1
    assert len(list((folder / "store").iterdir())) == 3


def test_a_record_that_cannot_be_read_removes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damaged = next(folder.glob("l1-*-0.5-*")) / "record.json"
    damaged.write_text("{")
    assert store.main([str(folder), "--remove"]) == 1
    assert str(damaged) in capsys.readouterr().err
    assert len(list((folder / "store").iterdir())) == 3


def test_a_store_that_several_folders_share_is_needed_by_all_of_them(folder: Path, tmp_path: Path) -> None:
    run(tmp_path / "other", "ratio=0.75", f"store_folder={folder / 'store'}")
    assert len(list((folder / "store").iterdir())) == 4
    both = [str(folder), str(tmp_path / "other"), "--remove"]
    assert store.main(both) == 0
    assert len(list((folder / "store").iterdir())) == 4


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_folder_without_a_store_is_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert store.main([str(tmp_path / name)]) == 1
    assert "no store in" in capsys.readouterr().err


def test_a_sweep_s_last_line_says_the_size(folder: Path) -> None:
    assert store.describe_folder(folder).startswith(tuple("123456789"))
    assert "B of it in the store" in store.describe_folder(folder)

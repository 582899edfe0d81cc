"""The whole run, for real, on a network of two convolutions."""

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

import pruning
from experiments.evaluate import measure
from experiments.records import jobs, record
from experiments.run.prepare import prepare
from experiments.system.checksums import file_digest
from pruning.files import bitmap
from pruning.files.export import EXTRA
from support.running import metrics, run, untimed
from support.tiny_run import GATED, POWER_CUT, settings


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, record.Record]:
    """A finished run."""
    folder = tmp_path_factory.mktemp("kept")
    return folder, run(folder)


@pytest.fixture
def made(kept: tuple[Path, record.Record], tmp_path: Path) -> record.Record:
    """Of a run that is finished in `tmp_path`: a copy, to go on from or to damage."""
    shutil.copytree(kept[0], tmp_path, dirs_exist_ok=True)
    return kept[1]


def test_it_prunes_and_the_record_says_what(tmp_path: Path) -> None:
    made = run(tmp_path, "control=scratch", "ratio=0.5")
    assert made.dense.accuracy > 0.9
    assert made.certificate < 1e-4
    assert {name: layer.filters_kept for name, layer in made.layers.items()} == {"body.0": 4, "body.3": 4}
    assert made.tuned.macs == 64 * (3 * 4 * 9 + 4 * 4 * 9) + 16 * 4
    assert made.dense.params == 3 * 8 * 9 + 8 + 16 + 8 * 8 * 9 + 8 + 16 + 32 * 4 + 4
    assert [stage.name for stage in made.stages] == ["baseline", "finetune", "scratch", "scratch_tune"]
    assert made.stages[0].train_macs == 3 * made.dense.macs * 3 * 64
    assert made.stages[1].train_macs == 3 * made.tuned.macs * 2 * 64
    assert made.epochs_total == 5
    assert made.scratch is not None
    for network in (made.dense, made.pruned, made.tuned, made.scratch):
        assert right_answers(network) == pytest.approx(network.accuracy, abs=1e-12)
        assert network.accuracy_by_class is not None
        assert sum(network.accuracy_by_class) / 4 == pytest.approx(network.accuracy), "ten images of each class"
        assert network.nll is not None
        assert network.ece is not None
        assert abs(made.dense.accuracy - network.accuracy) <= network.flips <= 1
    assert made.dense.flips == 0


def test_what_is_left_is_mended_before_it_is_fine_tuned(made: record.Record, tmp_path: Path) -> None:
    mended = run(tmp_path, "repair.steps=[merge,ls,bn]", "repair.images=48")
    assert [(done.name, done.layers, done.left, done.images) for done in mended.repairs or ()] == [
        ("merge", 2, [], 0),
        ("ls", 3, [], 48),
        ("bn", 2, [], 48),
    ]
    assert mended.repaired is not None
    assert mended.repaired.macs == mended.pruned.macs
    assert mended.repaired.accuracy > mended.pruned.accuracy
    assert right_answers(mended.repaired) == pytest.approx(mended.repaired.accuracy, abs=1e-12)
    assert mended.pruned.accuracy == made.pruned.accuracy
    assert mended.certificate == made.certificate
    assert [stage.reused for stage in mended.stages] == [True, False]
    assert mended.stages[1].digest != made.stages[1].digest
    assert made.repaired is None


def test_the_mended_network_is_the_one_that_is_kept(tmp_path: Path) -> None:
    mended = run(tmp_path, "repair=ls", "repair.images=48", "recipe.finetune.epochs=0")
    assert mended.repaired is not None
    assert mended.tuned.answers == mended.repaired.answers != mended.pruned.answers


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("repair.images=65", "repair.images=65 is more than the 64 training images"),
        ("repair.steps=[ls,merge]", "repair.steps: merge looks at the network as it was, so it comes first"),
        ("repair.steps=[lsq]", "each of repair.steps must be one of bn, ls, merge, got lsq"),
    ],
)
def test_a_repair_that_cannot_be_is_refused_before_training(override: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        prepare(settings(f"folder={tmp_path}", "repair=ls", "repair.images=48", override))


def right_answers(network: record.Network) -> float:
    assert network.answers is not None
    assert network.tested == 40
    return float(bitmap.decode(network.answers, 1, network.tested).mean())


def test_the_teacher_is_in_the_cost(tmp_path: Path) -> None:
    made = run(tmp_path, "objective=distillation")
    assert made.stages[1].train_macs == (3 * made.tuned.macs + made.dense.macs) * 2 * 64


def test_the_record_on_disk_is_the_one_returned(made: record.Record, tmp_path: Path) -> None:
    (path,) = tmp_path.glob("*/record.json")
    assert path.parent.name == f"{made.name}-{made.digest[:8]}"
    assert record.read(path) == made


def test_the_same_command_again_makes_nothing(
    made: record.Record, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")}
    assert run(tmp_path) == made
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.json*")} == before
    assert "is complete: nothing to make" in capsys.readouterr().out


def test_methods_and_ratios_share_one_baseline(made: record.Record, tmp_path: Path) -> None:
    second = run(tmp_path, "method=random", "ratio=0.25")
    assert [stage.reused for stage in second.stages] == [True, False]
    assert second.stages[0].digest == made.stages[0].digest
    assert second.dense.accuracy == made.dense.accuracy
    assert len(list(tmp_path.glob("store/baseline-*"))) == 1


def test_folders_that_share_a_store_train_nothing_twice(made: record.Record, tmp_path: Path) -> None:
    again = run(tmp_path / "elsewhere", f"store_folder={tmp_path / 'store'}")
    assert [stage.reused for stage in again.stages] == [True, True]
    assert again.tuned.answers == made.tuned.answers
    assert not (tmp_path / "elsewhere" / "store").exists()


def test_store_false_makes_everything_again_with_the_same_numbers(made: record.Record, tmp_path: Path) -> None:
    second = run(tmp_path, "store=false")
    assert not any(stage.reused for stage in second.stages)
    assert untimed(replace(second, config={})) == untimed(replace(made, config={}))


def test_dense_goes_through_the_same_pipe_uncut(tmp_path: Path) -> None:
    made = run(tmp_path, "method=dense")
    assert made.pruned.macs == made.dense.macs
    assert made.pruned.accuracy == made.dense.accuracy
    assert made.certificate == 0


def test_a_gated_method_is_stored_with_its_gates_and_taken_up_again(tmp_path: Path) -> None:
    first = run(tmp_path, *GATED)
    (tmp_path / f"{first.name}-{first.digest[:8]}" / "record.json").unlink()
    second = run(tmp_path, *GATED)
    assert all(stage.reused for stage in second.stages)
    assert first.gates_accuracy is not None
    assert untimed(second) == untimed(first)


@pytest.mark.parametrize(
    ("cut", "overrides"),
    [
        ("3:1", ()),
        ("2:1", ("objective=distillation",)),
        ("38:20", GATED),
        pytest.param("3:1", ("trainer.compile=true",), marks=pytest.mark.faults),  # compiles for half a minute
    ],
)
def test_a_killed_stage_goes_on_to_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str, overrides: tuple[str, ...]
) -> None:
    whole = run(tmp_path / "whole", *overrides)
    monkeypatch.setenv(POWER_CUT, cut)
    with pytest.raises(RuntimeError, match="power cut"):
        run(tmp_path / "cut", *overrides)
    monkeypatch.delenv(POWER_CUT)
    resumed = run(tmp_path / "cut", *overrides)
    assert untimed(replace(resumed, config={})) == untimed(replace(whole, config={}))
    assert metrics(tmp_path / "cut") == metrics(tmp_path / "whole")


def test_the_baseline_of_a_file_is_the_dense_network(made: record.Record, tmp_path: Path) -> None:
    (weights,) = tmp_path.glob("store/baseline-*/weights.safetensors")
    second = run(tmp_path, f"baseline={weights}")
    assert second.dense.accuracy == made.dense.accuracy
    assert (made.baseline_digest, second.baseline_digest) == (None, file_digest(weights))
    assert second.val_seen
    assert [stage.name for stage in second.stages] == ["finetune"]
    assert second.stages[0].chosen_epoch == second.stages[0].epochs


def test_the_kept_network_loads_and_is_the_one_that_was_measured(made: record.Record, tmp_path: Path) -> None:
    (folder,) = tmp_path.glob("*/network")
    bench = prepare(settings(f"folder={tmp_path}"))
    loaded = pruning.load(folder)
    assert loaded.classes == ("a", "b", "c", "d")
    found = measure.answers(loaded.network, bench.data.test_dataloader(), bench.device)
    assert found.accuracy == made.tuned.accuracy
    assert made.tuned.answers is not None
    assert made.tuned.tested == len(found.right)
    assert bitmap.decode(made.tuned.answers, 1, len(found.right))[0].tolist() == found.right.tolist()


def test_the_small_form_changes_nothing_but_times(tmp_path: Path) -> None:
    """Stages are shared, networks are the same; `auto` says in the record what it came to."""
    group2d = ("method=group2d", "method.groups=2", "method.score=l1", "ratio=0.5")
    split, auto = (run(tmp_path, *group2d, f"method.form={form}") for form in ("split", "auto"))
    assert [stage.reused for stage in auto.stages] == [True, True]
    assert untimed(auto).tuned == untimed(split).tuned
    assert auto.method_figures.keys() - split.method_figures.keys() == {"timed_grouped"}
    first, second = (load_file(path) for path in tmp_path.glob("*/network/*.safetensors"))
    assert first.keys() == second.keys()


def test_a_broken_record_or_a_lost_network_is_made_again(made: record.Record, tmp_path: Path) -> None:
    (path,) = tmp_path.glob("*/record.json")
    path.write_text(path.read_text()[:100])
    again = run(tmp_path)
    assert untimed(replace(again, config={})) == untimed(replace(made, config={}))
    assert record.read(path) == again
    shutil.rmtree(path.parent / "network")
    run(tmp_path)
    assert (path.parent / "network" / "model.json").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "model.json"])
def test_a_damaged_network_is_mended_from_the_store(
    made: record.Record, tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without training; and a sweep's driver does not call its job complete."""
    (folder,) = tmp_path.glob("*/network")
    job, before = tmp_path / "sweep" / "a" / "b", (folder / name).read_bytes()
    assert jobs.is_complete(job, folder.parent.name)
    (folder / name).write_bytes(before[:-1] + b"!")
    assert not jobs.is_complete(job, folder.parent.name)
    assert all(stage.reused for stage in run(tmp_path).stages)
    assert (folder / name).read_bytes() == before
    assert "making it again from what the store holds" in capsys.readouterr().out
    assert jobs.is_complete(job, folder.parent.name)
    assert run(tmp_path).tuned.accuracy == made.tuned.accuracy


def test_a_damaged_onnx_file_is_made_again_as_the_network_is(tmp_path: Path) -> None:
    """After a flipped bit; without a store by training again. Nor does a sweep's driver call its job complete."""
    for library in EXTRA:
        pytest.importorskip(library)
    made = run(tmp_path, "export=onnx")
    (path,) = tmp_path.glob("*/network.onnx")
    for keep_store in (True, False):
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        assert not jobs.is_complete(tmp_path / "sweep" / "a" / "b", path.parent.name)
        if not keep_store:
            shutil.rmtree(tmp_path / "store")
        again = run(tmp_path, "export=onnx")
        assert [stage.reused for stage in again.stages] == [keep_store] * 2
        assert again.tuned.accuracy == made.tuned.accuracy
        assert jobs.is_complete(tmp_path / "sweep" / "a" / "b", path.parent.name)

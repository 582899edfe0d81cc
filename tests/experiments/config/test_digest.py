import os
from pathlib import Path
from typing import Any

import pytest
import torch

from datamodules.stamps import stamps
from experiments.config.digest import digest, drop_paths, libraries
from experiments.run.context import RunContext
from experiments.sweep import job_identity
from experiments.system import hardware
from pruning.methods.dense.callback import Dense

CONFIG: dict[str, Any] = {
    "seed": 0,
    "ratio": 0.5,
    "folder": "outputs",
    "store": True,
    "tracking": {"mode": "offline"},
    "method": {"_target_": "pruning.methods.l1.L1", "joined": "keep", "budget": {"ratio": 0.5}},
    "budget": {"ratio": 0.5},
    "objective": {"_target_": "pruning.objectives.CrossEntropy"},
    "data": {"root": "here", "batch": 32, "val": 0.2},
    "trainer": {"accelerator": "auto", "devices": 1, "compile": False, "precision": "auto"},
    "recipe": {"batch": 32, "grant": True, "baseline": {"lr": 0.1}, "prune": {"lr": 0.1}, "finetune": {"lr": 0.1}},
}


def changed(path: str, value: object) -> dict[str, Any]:
    group, _, rest = path.partition(".")
    return CONFIG | {group: CONFIG[group] | {rest: value} if rest else value}


def test_one_round_is_what_every_run_was_before_there_were_rounds() -> None:
    for stage in ("baseline", "prune", "finetune", "run"):
        assert digest(stage, CONFIG | {"rounds": 1}) == digest(stage, CONFIG)
        assert (digest(stage, CONFIG | {"rounds": 3}) == digest(stage, CONFIG)) == (stage == "baseline")
    assert digest("prune-2", changed("objective", None)) == digest("prune-2", CONFIG), "a prune stage has not seen it"


@pytest.mark.parametrize("stage", ["baseline", "prune", "finetune", "run"])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("folder", "x"),
        ("store", False),
        ("tracking.mode", "none"),
        ("data.root", "x"),
        ("trainer.accelerator", "gpu"),
        ("trainer.devices", 4),
    ],
)
def test_where_and_how_it_runs_does_not_count(stage: str, path: str, value: object) -> None:
    assert digest(stage, changed(path, value)) == digest(stage, CONFIG)


@pytest.mark.parametrize("stage", ["baseline", "prune", "finetune", "run"])
@pytest.mark.parametrize(
    ("path", "value"),
    [("seed", 1), ("data.val", 0.1), ("recipe.batch", 64), ("trainer.compile", True), ("recipe.new_key", 1)],
)
def test_what_can_change_a_number_counts(stage: str, path: str, value: object) -> None:
    assert digest(stage, changed(path, value)) != digest(stage, CONFIG)


@pytest.mark.parametrize(
    ("path", "value", "first"),
    [
        ("ratio", 0.3, "prune"),
        ("method.joined", "expand", "prune"),
        ("recipe.prune", {"lr": 0.2}, "prune"),
        ("objective", {"_target_": "pruning.objectives.Distillation"}, "finetune"),
        ("recipe.finetune", {"lr": 0.2}, "finetune"),
        ("method.form", "grouped", "run"),
    ],
)
def test_a_stage_counts_nothing_that_comes_after_it(path: str, value: object, first: str) -> None:
    stages = ["baseline", "prune", "finetune", "run"]
    differs = [digest(stage, changed(path, value)) != digest(stage, CONFIG) for stage in stages]
    assert differs == [index >= stages.index(first) for index in range(4)]


def test_content_counts() -> None:
    assert digest("baseline", CONFIG, data="a") != digest("baseline", CONFIG, data="b")


def test_the_config_itself_stays_whole() -> None:
    assert drop_paths(CONFIG, ["recipe.prune", "seed"])["recipe"].keys() == {"batch", "grant", "baseline", "finetune"}
    assert "prune" in CONFIG["recipe"]
    assert "seed" in CONFIG


def test_without_a_budget_a_ratio_changes_nothing() -> None:
    """The dense control of a sweep over ratios is trained once."""
    dense = CONFIG | {"method": {"_target_": "pruning.methods.dense.Dense"}}
    assert digest("finetune", dense) == digest("finetune", dense | {"ratio": 0.7, "budget": {"ratio": 0.7}})


@pytest.mark.parametrize(
    ("place", "target", "library"),
    [("data", "datamodules.folder.Folder", "Pillow"), ("data", "datamodules.digits.Digits", None)],
)
def test_libraries_count_where_they_are_used(place: str, target: str, library: str | None) -> None:
    found = libraries(CONFIG | {place: {"_target_": target}}).keys() - {"torch", "torchvision", "lightning", "numpy"}
    assert found == ({library} if library else set())


class Identified:
    identity = "images"


def content(device: str, processes: int) -> dict[str, Any]:
    context = object.__new__(RunContext)
    known = {"data": Identified(), "precision": "32-true", "processes": processes, "device": torch.device(device)}
    vars(context).update(known | {"baseline_digest": None, "method": Dense()})
    return context.content("run")


def test_the_machine_counts_by_what_it_comes_to() -> None:
    """Norms see a process's share of a batch; a CPU run knows nothing of CUDA."""
    alone, two, gpu = content("cpu", 1), content("cpu", 2), content("cuda", 1)
    assert len({digest("baseline", CONFIG, **each) for each in (alone, two, gpu)}) == 3
    assert alone["drivers"] == {}
    assert gpu["drivers"].keys() == {"cuda", "cudnn"}
    assert hardware.versions(torch.device("cpu")).keys() >= {"torch", "python"}


def job(root: Path) -> dict[str, Any]:
    data = {"_target_": "datamodules.folder.Folder", "root": str(root), "train": "train", "test": "test"}
    return CONFIG | {"data": data, "baseline": None, "export": None, "deploy": None}


def test_a_job_whose_images_changed_is_not_complete(tmp_path: Path) -> None:
    """What a sweep's driver knows of a job: not of the caches that the job itself writes beside the images."""
    image = tmp_path / "train" / "a" / "1.png"
    image.parent.mkdir(parents=True)
    image.write_bytes(b"black")
    values = job(tmp_path)
    before, stat = job_identity.identify(values), image.stat()
    (tmp_path / ".contents.cache").touch()
    assert job_identity.identify(values) == before
    image.write_bytes(b"white")
    os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    job_identity.stamp.cache_clear()  # as in the next command
    assert job_identity.identify(values) != before


def test_the_jobs_of_a_sweep_stamp_their_images_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that is a link to elsewhere too; again once a job has fetched the data into the folder."""
    root, elsewhere = tmp_path / "root", tmp_path / "elsewhere"
    for image in (root / "train" / "1.png", elsewhere / "2.png"):
        image.parent.mkdir(parents=True)
        image.touch()
    (root / "test").symlink_to(elsewhere)
    looked_at: list[str] = []
    monkeypatch.setattr("datamodules.stamps.stamps", lambda paths: looked_at.extend(map(str, paths)) or stamps(paths))
    values = job(root)
    first = [job_identity.identify(values | {"seed": seed}) for seed in range(3)]
    assert len(set(first)) == 3
    assert looked_at == [str(root / "train" / "1.png"), str(elsewhere / "2.png")]
    (root / "fetched.tar").touch()
    assert job_identity.identify(values | {"seed": 0}) != first[0]


def test_a_word_of_the_data_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Here lies a folder `train`, and data.train names one below the root; what the user's own data names counts."""
    monkeypatch.chdir(tmp_path)
    for name in ("train", "root"):
        (tmp_path / name).mkdir()
    ours = job(Path("root"))["data"] | {"exif": "train"}
    assert job_identity.data_paths(ours) == [tmp_path / "root"]
    assert job_identity.data_paths(ours | {"root": None}) == []
    apart = {"root": str(tmp_path / "root"), "test": str(tmp_path / "train")}  # an absolute path lies elsewhere
    assert job_identity.data_paths(ours | apart) == [tmp_path / "root", tmp_path / "train"]
    assert job_identity.data_paths({"_target_": "mine.Data", "labels": {"of": "train"}}) == [tmp_path / "train"]

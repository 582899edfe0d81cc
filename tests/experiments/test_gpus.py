"""Jobs of a sweep get a GPU each, as far as there are any."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from experiments.system import gpus
from experiments.system.gpus import one_of, visible, wants_one


def test_side_by_side_each_has_its_own_and_then_they_share_evenly(tmp_path: Path) -> None:
    with ExitStack() as jobs:
        had = [jobs.enter_context(one_of(["0", "MIG-1/2/0"], tmp_path)) for _ in range(5)]
        assert had == ["0", "MIG-1/2/0", "0", "MIG-1/2/0", "0"]
    with one_of(["0", "1"], tmp_path) as gpu:
        assert gpu == "0"


def test_one_that_is_done_is_free_again(tmp_path: Path) -> None:
    first = one_of(["0", "1"], tmp_path)
    assert first.__enter__() == "0"
    with one_of(["0", "1"], tmp_path) as second:
        assert second == "1"
        first.__exit__(None, None, None)
        with one_of(["0", "1"], tmp_path) as third:
            assert third == "0"


def test_what_the_user_shows_is_divided(tmp_path: Path) -> None:
    assert visible({"CUDA_VISIBLE_DEVICES": "3, 1"}) == ["3", "1"]
    assert visible({"CUDA_VISIBLE_DEVICES": ""}) == visible({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert visible({}, tmp_path) == ["0", "1"]


@pytest.mark.parametrize(
    ("accelerator", "devices", "wanted"),
    [
        ("auto", 1, True),
        ("gpu", "1", True),
        ("cpu", 1, False),
        ("gpu", 2, False),
        ("gpu", [1], False),
        ("auto", "auto", False),
    ],
)
def test_a_job_that_names_its_devices_is_left_alone(accelerator: str, devices: Any, wanted: bool) -> None:
    assert wants_one({"accelerator": accelerator, "devices": devices}) is wanted


def test_a_childs_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = {"accelerator": "auto", "devices": 1}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with gpus.environment(trainer, tmp_path) as first, gpus.environment(trainer, tmp_path) as second:
        assert (first, second) == ({"CUDA_VISIBLE_DEVICES": "2"}, {"CUDA_VISIBLE_DEVICES": "3"})
    with gpus.environment(trainer | {"devices": 2}, tmp_path) as several:
        assert several == {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    with gpus.environment(trainer, tmp_path / "untouched") as alone:
        assert alone == {}
    assert not (tmp_path / "untouched").exists()

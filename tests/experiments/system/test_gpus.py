"""Jobs of a sweep get a GPU each, as far as there are any."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from experiments.system import gpus
from experiments.system.gpus import lock_gpu, visible_gpus, wants_one_gpu


def test_side_by_side_each_has_its_own_and_then_they_share_evenly(tmp_path: Path) -> None:
    with ExitStack() as jobs:
        had = [jobs.enter_context(lock_gpu(["0", "MIG-1/2/0"], tmp_path)) for _ in range(5)]
        assert had == ["0", "MIG-1/2/0", "0", "MIG-1/2/0", "0"]
    with lock_gpu(["0", "1"], tmp_path) as gpu:
        assert gpu == "0"


def test_one_that_is_done_is_free_again(tmp_path: Path) -> None:
    first = lock_gpu(["0", "1"], tmp_path)
    assert first.__enter__() == "0"
    with lock_gpu(["0", "1"], tmp_path) as second:
        assert second == "1"
        first.__exit__(None, None, None)
        with lock_gpu(["0", "1"], tmp_path) as third:
            assert third == "0"


def test_what_the_user_shows_is_divided(tmp_path: Path) -> None:
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "3, 1"}) == ["3", "1"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == visible_gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == []
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"):
        (tmp_path / name).touch()
    assert visible_gpus({}, tmp_path) == ["0", "1"]


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
    assert wants_one_gpu({"accelerator": accelerator, "devices": devices}) is wanted


def test_a_childs_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = {"accelerator": "auto", "devices": 1}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")
    with gpus.gpu_environment(trainer, tmp_path) as first, gpus.gpu_environment(trainer, tmp_path) as second:
        assert (first, second) == ({"CUDA_VISIBLE_DEVICES": "2"}, {"CUDA_VISIBLE_DEVICES": "3"})
    with gpus.gpu_environment(trainer | {"devices": 2}, tmp_path) as several:
        assert several == {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2")
    with gpus.gpu_environment(trainer, tmp_path / "untouched") as alone:
        assert alone == {}
    assert not (tmp_path / "untouched").exists()

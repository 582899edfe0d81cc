"""A stage is compiled where its steps earn it back; the choice is said, recorded, part of the digest, and repeats."""

from pathlib import Path

import pytest
import torch

from experiments import program
from experiments.run.prepare import prepare
from experiments.trainer import execution as chosen
from experiments.trainer.execution import choose_execution
from support.tiny_run import config, settings

CPU, GPU = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize("asked", [True, False])
def test_what_is_asked_for_is_done(asked: bool) -> None:
    assert choose_execution("32-true", asked, CPU, 1).compiled is asked
    assert choose_execution("32-true", asked, GPU, 10**6).compiled is asked


def test_float16_is_said_to_step_unfused() -> None:
    assert str(choose_execution("16-mixed", False, GPU, 1)).startswith("16-mixed, channels last, SGD, ")


@pytest.mark.skipif(not chosen.has_compiler(), reason="no C++ compiler here")
def test_a_stage_is_compiled_from_the_images_on_that_pay_for_it() -> None:
    short, long = (choose_execution("bf16-mixed", "auto", CPU, images) for images in (699_999, 700_000))
    assert str(short) == ("bf16-mixed, channels first, fused SGD, not compiled (699,999 images; worth it from 700,000)")
    assert str(long) == "bf16-mixed, channels last, fused SGD, compiled (700,000 images; worth it from 700,000)"


def test_without_a_compiler_nothing_is_compiled_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    assert not choose_execution("32-true", "auto", CPU, 10**6).compiled
    assert choose_execution("32-true", "auto", CPU, 10**6).why.startswith("no C++ compiler")


def test_where_nothing_was_measured_nothing_is_compiled_by_itself() -> None:
    assert not choose_execution("bf16-mixed", "auto", GPU, 10**6).compiled


def test_a_stage_says_how_it_runs_and_the_record_keeps_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = program.run(config(f"folder={tmp_path}"))
    assert made is not None
    assert [stage.compiled for stage in made.stages] == [False, False]
    said = capsys.readouterr().out
    for stage, images in (("baseline", 192), ("finetune", 128)):
        assert (
            f"{stage}: 32-true, channels last, fused SGD, not compiled ({images} images; worth it from 700,000)" in said
        )


@pytest.mark.skipif(not chosen.has_compiler(), reason="no C++ compiler here")
def test_another_choice_is_another_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The same config on a machine that chooses otherwise: nothing made there is taken for made here."""
    digests = []
    for pays, compiled in ((700_000, False), (150, True)):
        monkeypatch.setattr(chosen, "COMPILE_FROM", {"cpu": pays})
        bench = prepare(settings(f"folder={tmp_path}"))
        assert bench.execution("baseline").compiled is compiled
        assert not bench.execution("finetune").compiled
        digests.append(bench.digest)
    assert len(set(digests)) == 2

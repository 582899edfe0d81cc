"""What would fail after the dense training fails before it, by name, and no number of the run moves for it."""

import random
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from experiments.config import refusal
from experiments.run import dry_run, prepare
from experiments.run.context import RunContext
from pruning.dry_run import check_logits_follow_images, fork_rng, randomise_norms
from pruning.models import resnet, torchvision_network
from pruning.surgery import certificate
from support.tiny_run import GATED, settings


@pytest.fixture(autouse=True)
def own_targets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNING_TARGETS", "support.tiny_run:support.saboteurs:support.misfits")


def model(name: str) -> str:
    return f"model._target_=support.misfits.{name}"


REFUSED = [
    (model("Several"), r"Several gives several outputs \(a tuple of 2\)"),
    (model("Named"), r"Named gives a dict \(out, aux\)"),
    (model("too_many"), r"Chain gives \(2, 6\) for 2 images, and the data has 4 classes"),
    (model("frozen"), "all weights of Chain are frozen"),
    ("data._target_=support.misfits.OneClass", "the data has 1 class: there is nothing to tell apart"),
]
RUN = [
    (model("Restless"), r"Restless answers the same images in two ways in eval"),
    (model("Deaf"), "Deaf answers every image alike"),
    (model("Overflowing"), "the first loss of stage baseline is (inf|nan)"),
    (
        "objective._target_=support.misfits.Detached",
        "the loss of stage finetune has no gradient: compute it from the log",
    ),
    (model("Raising"), r"a training step of stage baseline by Raising .*misfits\.py:\d+: RuntimeError: no training"),
]


def refused(folder: Path, said: str, *overrides: str) -> None:
    with pytest.raises(refusal.Refusal, match=said), refusal.refusals():
        prepare.prepare(settings(f"folder={folder}", *overrides))
    assert not list(folder.iterdir())


@pytest.mark.parametrize(("override", "said"), [*REFUSED, *RUN])
def test_it_is_refused_by_name_before_anything_is_trained(tmp_path: Path, override: str, said: str) -> None:
    refused(tmp_path, said, override)


@pytest.mark.parametrize(("override", "said"), REFUSED)
def test_what_needs_no_arithmetic_a_plan_refuses_too(tmp_path: Path, override: str, said: str) -> None:
    refused(tmp_path, said, override, "plan=true")


def test_weights_that_are_frozen_in_part_are_taken(tmp_path: Path) -> None:
    prepare.prepare(settings(f"folder={tmp_path}", model("half_frozen")))


@pytest.mark.parametrize("method", [("method=l1",), GATED, ("method=group2d", "recipe.prune.epochs=1")])
def test_no_generator_and_no_weight_moves(tmp_path: Path, method: tuple[str, ...]) -> None:
    """Though the network itself draws from them, and a training step is made in every stage."""
    bench = prepare.prepare(settings(f"folder={tmp_path}", model("Drawing"), "objective=distillation", *method))
    weights = {name: value.clone() for name, value in bench.network.state_dict().items()}
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # noqa: NPY002
    dry_run.dry_run(bench)
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1] == after[1]
    assert (before[2] == after[2]).all()
    assert all(torch.equal(value, weights[name]) for name, value in bench.network.state_dict().items())
    assert bench.network.training


def interrupted_draws() -> None:
    with fork_rng():
        torch.rand(3), random.random()
        raise ValueError("here")


def test_generators_come_back_after_a_failure_too() -> None:
    before = torch.get_rng_state(), random.getstate()
    with pytest.raises(ValueError, match="here"):
        interrupted_draws()
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == random.getstate()


def test_a_small_network_that_computes_something_else_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of surgery that shows with statistics of norms only, which fresh ones do not have."""
    real = dry_run.compact

    def forgetful(*given: object) -> nn.Module:
        small = real(*given)  # type: ignore[arg-type]
        small.get_submodule("body.1").running_mean.zero_()
        return small

    monkeypatch.setattr(dry_run, "compact", forgetful)
    refused(tmp_path, r"small and masked network differ by \S+ of the logits' scale", "method=l1")


@pytest.mark.parametrize(("macs", "said"), [(6e9, "a training step: 6.0 G"), (3e10, "running the networks: 30.0 G")])
def test_what_would_take_too_long_is_left_out_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], macs: float, said: str
) -> None:
    monkeypatch.setattr(dry_run, "count_macs", lambda *_: int(macs))
    prepare.prepare(settings(f"folder={tmp_path}", model("Overflowing")))
    assert f"dry run without {said} multiply-adds an image" in " ".join(capsys.readouterr().out.split())


class Convolutions(TorchDispatchMode):
    """Counts the images that go through one, shapes alone apart."""

    images = 0

    def __torch_dispatch__(self, called: object, types: object, arguments: tuple = (), options: dict | None = None):
        if called is torch.ops.aten.convolution.default and not arguments[0].is_meta:
            self.images += len(arguments[0])
        return called(*arguments, **(options or {}))  # type: ignore[operator]


@pytest.mark.parametrize("name", ["half_frozen", "without_norms"])
def test_it_runs_the_images_that_its_limit_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    bench = prepare.prepare(settings(f"folder={tmp_path}", model(name)))
    monkeypatch.setattr(dry_run, "STEPS_MOST", 0)
    with Convolutions() as seen:
        dry_run.dry_run(bench)
    assert seen.images == 2 * dry_run.images_run(bench.network), "through two convolutions each"


def test_a_learned_choice_is_tried_on_moved_gates_and_says_nothing(tmp_path: Path) -> None:
    """Gates that all stand at 1 would choose by index."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        bench: RunContext = prepare.prepare(settings(f"folder={tmp_path}", *GATED, "method.start=one"))
    with fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, choice = dry_run.choose_filters(bench, steps=True)
    assert [choice.kept(name) for name in choice] == [4, 4]
    assert any(not choice[name][:4].any(1).all() for name in choice)


@pytest.mark.parametrize(
    ("network", "side"),
    [(resnet(110, 10, (3, 16, 16)), 16), (torchvision_network("mobilenet_v3_small", 10, (3, 64, 64)), 64)],
)
def test_networks_stay_finite_and_see_the_image_with_random_norms(network: nn.Module, side: int) -> None:
    """A deep one; and one whose fresh weights are small, so that nothing of an image is left behind fresh norms."""
    with fork_rng():
        randomise_norms(network, torch.randn(2, 3, side, side))
        images = torch.randn(2, 3, side, side)
        check_logits_follow_images(network, images, 10)
    assert certificate.logits_of_both(network, network, images)[0].isfinite().all()


def test_a_users_file_below_a_folder_named_torch_is_not_torchs_own() -> None:
    code = compile("raise ValueError('of the user')", "/home/me/torch/network.py", "exec")
    with pytest.raises(ValueError, match="of the user") as found:
        exec(code)
    assert dry_run.is_own_check(found.value)
    with pytest.raises(ValueError, match="must be") as found:
        torch.nn.Conv2d(3, 3, 1, groups=2)
    assert not dry_run.is_own_check(found.value)

"""What a method is shown before it chooses, in the program."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from experiments import program
from experiments.run import selection
from experiments.run.prepare import prepare
from pruning.methods.criteria import gather_moments
from support.running import run
from support.tiny_run import config, settings

LOOKS = ("observe.images=48", "data.val=8")


def test_a_run_scores_by_training_images_and_says_how_long(tmp_path: Path) -> None:
    """Its choice follows from the trained network and these images; a run that looks at nothing takes some time too."""
    made = run(tmp_path, "method=taylor", *LOOKS)
    assert made.selection_seconds > 0
    assert {name: layer.filters_kept for name, layer in made.layers.items()} == {"body.0": 4, "body.3": 4}
    assert run(tmp_path, *LOOKS).selection_seconds > 0


def test_every_method_of_a_seed_is_shown_the_same_images(tmp_path: Path) -> None:
    shown = []
    for method in ("taylor", "activation"):
        context = prepare(settings(f"folder={tmp_path}", f"method={method}", *LOOKS))
        batches = list(selection.observed_batches(context, context.network, selection.ranks.shard(True)))
        shown.append(torch.cat([images for images, _ in batches]))
    assert shown[0].shape == (48, 3, 8, 8)
    assert torch.equal(*shown)


def test_the_choice_is_that_of_moments_gathered_by_hand(tmp_path: Path) -> None:
    context = prepare(settings(f"folder={tmp_path}", "method=taylor", *LOOKS))
    network = context.network
    context.method.begin_stage(network, context.image_shape, 0)
    choice = selection.select(context, context.method, network).selection
    batches = [
        (images, lambda logits, labels=labels: F.cross_entropy(logits, labels))
        for images, labels in context.data.sample_batches(48)
    ]
    moments = gather_moments(network, context.method.graph, ["body.0"], ["taylor"], batches)
    largest = moments.mean("taylor", "body.0").topk(4).indices.sort().values
    assert torch.equal(choice["body.0"].any(1).nonzero().flatten(), largest)


def test_a_scan_scores_by_images_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    observed = selection.observed_batches
    monkeypatch.setattr(
        "experiments.sensitivity.observed_batches", lambda *given: asked.append(given[0]) or observed(*given)
    )
    program.run(config(f"folder={tmp_path}", "sensitivity=true", "scan.ratios=[0.5]", "method=fisher", *LOOKS))
    assert len(asked) == 1

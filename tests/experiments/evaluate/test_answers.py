"""What is computed from logits, against torchmetrics and numbers done by hand."""

import math

import pytest
import torch
from torch import Tensor, nn
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_calibration_error

from experiments.evaluate import measure
from experiments.evaluate.answers import accuracy_by_class, answer, calibration_error, join

CLASSES = 7


@pytest.fixture(scope="module")
def batches() -> list[tuple[Tensor, Tensor]]:
    """Logits that are right in half of 500 images, more often the surer they are."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(CLASSES, (500,), generator=generator)
    logits = 2 * torch.randn(500, CLASSES, generator=generator) + 3 * nn.functional.one_hot(labels, CLASSES)
    return list(zip(logits.split(64), labels.split(64), strict=True))


def test_figures_are_those_of_torchmetrics(batches: list[tuple[Tensor, Tensor]]) -> None:
    logits, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    answers = join(answer(*batch) for batch in batches)
    figures = answers.figures(answers, CLASSES)
    assert figures["accuracy"] == (logits.argmax(1) == labels).double().mean().item()
    assert figures["accuracy_top5"] is None, "of 100 classes or more"
    assert figures["tested"] == 500
    by_class = multiclass_accuracy(logits, labels, CLASSES, average=None)
    assert figures["accuracy_by_class"] == pytest.approx(by_class.tolist(), abs=1e-6)
    assert figures["nll"] == pytest.approx(nn.functional.cross_entropy(logits, labels).item(), abs=1e-6)
    ece = multiclass_calibration_error(logits.softmax(1), labels, CLASSES, n_bins=15, norm="l1").item()
    assert figures["ece"] == pytest.approx(ece, abs=1e-6)
    assert 0.02 < ece < 0.5
    assert answers.accuracy_top5 == pytest.approx(multiclass_accuracy(logits, labels, CLASSES, "micro", 5).item())


def test_calibration_by_hand() -> None:
    """Bins of a fifteenth: .5 and .52 share one (half of two right, mean confidence .51), .9 stands alone (right); a
    bound belongs to the bin below it: 1/15 beside .06, both wrong."""
    confidence = torch.tensor([0.5, 0.52, 0.9, 1 / 15, 0.06], dtype=torch.float64)
    right = torch.tensor([True, False, True, False, False])
    assert calibration_error(confidence, right) == pytest.approx((0.02 + 0.1 + 1 / 15 + 0.06) / 5)
    assert calibration_error(torch.tensor([1.0]), torch.tensor([False])) == 1
    assert calibration_error(torch.tensor([0.0, 1.0]), torch.tensor([False, True])) == 0


def test_a_class_without_an_image_has_no_accuracy() -> None:
    labels, right = torch.tensor([0, 2, 2, 0]), torch.tensor([True, False, True, True])
    assert accuracy_by_class(labels, right, 4) == [1.0, None, 0.5, None]


def test_flips_count_every_answer_that_changed() -> None:
    """Right to wrong, wrong to right, wrong to wrong otherwise; not the second of four, wrong alike."""
    labels = torch.tensor([0, 1, 2, 2])
    dense = answer(torch.eye(3)[[0, 0, 1, 0]], labels)
    small = answer(torch.eye(3)[[1, 0, 2, 1]], labels)
    assert small.flips(dense) == 0.75
    assert dense.flips(dense) == 0.0


def test_of_images_in_another_order_no_flips_are_claimed() -> None:
    logits, labels = torch.eye(3), torch.arange(3)
    assert answer(logits.flip(0), labels.flip(0)).flips(answer(logits, labels)) is None


def test_what_is_not_finite_is_absent() -> None:
    """JSON has no NaN; accuracy and answers stay."""
    answers = answer(torch.tensor([[math.inf, 0.0], [0.0, 1.0]]), torch.tensor([0, 1]))
    figures = answers.figures(answers, 2)
    assert (figures["nll"], figures["ece"], figures["accuracy"]) == (None, None, 1.0)


def test_top_5_is_said_of_many_classes() -> None:
    """The label comes fifth, and sixth."""
    logits = -torch.arange(100.0).repeat(2, 1)
    figures = (answers := answer(logits, torch.tensor([4, 5]))).figures(answers, 100)
    assert (figures["accuracy"], figures["accuracy_top5"]) == (0.0, 0.5)


def test_a_network_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(12, 3)).double()
    calls = []
    network.register_forward_hook(lambda *_: calls.append(1))
    images = torch.rand(6, 3, 2, 2)
    loader = [(images[:4], torch.tensor([0, 1, 2, 0])), (images[4:], torch.tensor([1, 2]))]
    answers = measure.answers(network, loader, torch.device("cpu"))
    assert len(calls) == 2
    expected = network.float()(images).argmax(1)
    assert answers.answered.tolist() == expected.tolist()
    assert answers.labels.tolist() == [0, 1, 2, 0, 1, 2]

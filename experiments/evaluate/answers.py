"""How a network answers its test set, from the logits of one pass: right or wrong, how sure, and like which other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, TypedDict

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from experiments.records import record
from pruning.files import bitmap

TOP = 5
MANY_CLASSES = 100  # from here on top-5 accuracy says something
BINS = 15  # of confidence, of equal width: Guo et al. 2017


class Figures(TypedDict):
    """Of record.Network, all that depends on the weights."""

    accuracy: float
    accuracy_top5: float | None
    tested: int
    answers: str
    nll: float | None
    ece: float | None
    accuracy_by_class: list[float | None]
    flips: float | None


class Answers(NamedTuple):
    """To each image, in the test set's order. Not the logits: those of ImageNet's 50,000 images take 200 MB."""

    labels: Int[Tensor, " images"]
    answered: Int[Tensor, " images"]  # the class with the largest logit
    within: Bool[Tensor, " images"]  # the label is among the five largest logits
    nll: Float[Tensor, " images"]  # -log of the label's probability, in nats
    confidence: Float[Tensor, " images"]  # the probability of what was answered

    @property
    def right(self) -> Bool[Tensor, " images"]:
        return self.answered == self.labels

    @property
    def accuracy(self) -> float:
        return self.right.double().mean().item()

    @property
    def accuracy_top5(self) -> float:
        """1 with five classes or fewer."""
        return self.within.double().mean().item()

    @property
    def mean_nll(self) -> float | None:
        """None where a logit is no number."""
        return record.finite({"nll": self.nll.mean().item()})["nll"]

    def figures(self, dense: Answers, classes: int) -> Figures:
        return Figures(
            accuracy=self.accuracy,
            accuracy_top5=self.accuracy_top5 if classes >= MANY_CLASSES else None,
            tested=len(self.labels),
            answers=bitmap.encode(self.right[None].numpy()),
            nll=self.mean_nll,
            ece=record.finite({"ece": calibration_error(self.confidence, self.right)})["ece"],
            accuracy_by_class=accuracy_by_class(self.labels, self.right, classes),
            flips=self.flips(dense),
        )

    def flips(self, dense: Answers) -> float | None:
        """Share of images that are answered unlike `dense` does, rightly or not; None where a loader of the user's own
        has shown them in another order."""
        if not torch.equal(self.labels, dense.labels):
            return None
        return (self.answered != dense.answered).double().mean().item()


def answer(logits: Float[Tensor, "images classes"], labels: Int[Tensor, " images"]) -> Answers:
    """Of one batch, on the CPU."""
    ranked = logits.topk(min(TOP, logits.shape[1])).indices
    log_shares = logits.double().log_softmax(1)
    return Answers(
        labels=labels,
        answered=ranked[:, 0],
        within=(ranked == labels[:, None]).any(1),
        nll=-log_shares.gather(1, labels[:, None])[:, 0],
        confidence=log_shares.gather(1, ranked[:, :1])[:, 0].exp(),
    )


def join(batches: Iterable[Answers]) -> Answers:
    return Answers(*map(torch.cat, zip(*batches, strict=True)))


def calibration_error(confidence: Float[Tensor, " images"], right: Bool[Tensor, " images"]) -> float:
    """|share of right answers - mean confidence| of each bin of confidence, weighted by its images."""
    surplus = right.double() - confidence.double()
    bins = (confidence * BINS).ceil().long().clamp(1, BINS) - 1  # each without its lower bound, with its upper one
    return surplus.new_zeros(BINS).index_add(0, bins, surplus).abs().sum().item() / len(right)


def accuracy_by_class(
    labels: Int[Tensor, " images"], right: Bool[Tensor, " images"], classes: int
) -> list[float | None]:
    """None of a class that no image shows."""
    images, hits = (torch.bincount(chosen, minlength=classes).tolist() for chosen in (labels, labels[right]))
    return [hit / count if count else None for hit, count in zip(hits, images, strict=True)]

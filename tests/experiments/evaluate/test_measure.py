"""What is timed, and in which arithmetic."""

import pytest
import torch
from torch import nn

from experiments.evaluate import measure


def test_a_batch_fills_a_device_where_its_double_gains_no_twentieth() -> None:
    """A device that works on 1,000 images at once: 1 ms up to there, then in proportion. 512 to 1,024 gains 95 %,
    1,024 to 2,048 nothing."""
    assert measure.batch_that_fills(lambda batch: max(1.0, batch / 1000), 64) == 1024


def test_a_batch_that_finds_no_memory_is_not_taken() -> None:
    def seconds(batch: int) -> float:
        if batch > 256:
            raise torch.OutOfMemoryError
        return 1.0

    assert measure.batch_that_fills(seconds, 64) == 256
    assert measure.batch_that_fills(lambda batch: 1.0, 64) == measure.MOST_IMAGES


class Spy(nn.Module):
    """Sees 1 in every image where a GPU would round nothing."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        kinds = {each.fp32_precision for each in (torch.backends.cudnn.conv, torch.backends.cuda.matmul)}
        return torch.eye(2)[torch.full((len(images),), int(kinds == {"ieee"}))]


def test_accuracy_is_counted_without_tf32() -> None:
    before = torch.backends.cudnn.conv.fp32_precision
    batch = (torch.zeros(4, 3, 2, 2), torch.ones(4, dtype=torch.long))
    assert measure.answers(Spy(), [batch], torch.device("cpu")).accuracy == 1.0
    assert torch.backends.cudnn.conv.fp32_precision == before


@pytest.mark.parametrize("of", ["conv", "rnn"])
def test_exact_arithmetic_works_with_either_of_torchs_switches(of: str) -> None:
    """A user who has set the newer one: reading the older one raises."""
    switch = getattr(torch.backends.cudnn, of)
    before = switch.fp32_precision
    switch.fp32_precision = "ieee"
    try:
        assert measure.answers(
            Spy(), [(torch.zeros(1, 3, 2, 2), torch.ones(1, dtype=torch.long))], torch.device("cpu")
        ).accuracy
        assert switch.fp32_precision == "ieee"
    finally:
        switch.fp32_precision = before


def test_a_cpu_is_timed_as_ever_at_one_image_and_64(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Conv2d(3, 4, 3)
    (times,) = measure.time_networks([network], torch.zeros(2, 3, 8, 8))
    assert list(times) == ["1", "64"]

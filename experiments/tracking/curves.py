"""Lines of metrics.jsonl on two axes that all stages share. Imports no torch."""

from collections.abc import Iterable, Iterator

from experiments.records.json_value import JSON
from experiments.report.load.runs import SCRATCH

OF_A_STAGE = ("stage", "step", "epoch")  # which the axes stand for


def on_common_axes(lines: Iterable[dict[str, JSON]], images: int, batch: int) -> Iterator[dict[str, JSON]]:
    """Figures as `stage/figure` over `images_seen` and `epoch`, both since the run's first stage began, epochs with
    their fraction. The stages from scratch are another network's, and begin at 0.

    Args:
        images: of one epoch.
        batch: images of a step, over all processes.
    """
    stage, start, seen = None, 0, 0
    for line in lines:
        if line["stage"] != stage:
            stage = line["stage"]
            start = 0 if stage == SCRATCH[0] else seen
        seen = start + images_after(int(str(line["step"])), images, batch)
        figures = {f"{stage}/{key}": value for key, value in line.items() if key not in OF_A_STAGE}
        yield {"epoch": seen / images, "images_seen": seen, **figures}


def images_after(steps: int, images: int, batch: int) -> int:
    """The last batch of an epoch has what is left."""
    epochs, further = divmod(steps, -(-images // batch))
    return epochs * images + min(further * batch, images)

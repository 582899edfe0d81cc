"""What is known of a published data set that is not here: enough to plan a run before it is fetched."""

from __future__ import annotations

from dataclasses import dataclass

from datamodules.split import validation_count


@dataclass(frozen=True)
class DatasetSpec:
    """Stands for a data set in a plan, by its published size."""

    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    train: int  # images, those held out included
    val: float | int
    batch: int

    @property
    def sizes(self) -> dict[str, int]:
        val = validation_count(self.val, self.train)
        return {"train": self.train - val, "val": val}

    def train_dataloader(self) -> range:
        """As long as the real one."""
        return range(-(-self.sizes["train"] // self.batch))


def numbered_classes(count: int) -> tuple[str, ...]:
    return tuple(f"class {number}" for number in range(count))

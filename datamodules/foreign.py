"""Any LightningDataModule as the data of a run: three facts beside its loaders, and draws that follow (seed, epoch)."""

import hashlib
import random
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Int
from lightning.pytorch import LightningDataModule
from torch import Tensor
from torch.utils.data import DataLoader

from datamodules.base import ClassificationData
from datamodules.batches import Batch, EpochLoader
from datamodules.dataset_spec import numbered_classes

FACTS = {
    "classes": "how many, or their names",
    "image_shape": "[channels, height, width]",
    "identity": "any text that you change when the images change: results are stored under it",
}
LOADERS = {"train": "train_dataloader", "val": "val_dataloader", "test": "test_dataloader"}
TRAINERS_ALONE = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")


class Unnamed:
    """What data=module stands for until it is said whose."""

    def __init__(self, **facts: Any) -> None:
        raise ValueError(
            "data=module is a LightningDataModule of your own: name it, data._target_=mydata.MyData, and its file, "
            "PRUNING_TARGETS=mydata"
        )


@final
class ForeignData(ClassificationData):
    """`facts`: those that the config gives; what it leaves out, the module has as attributes. `batch`: images of a
    training batch, as the recipe has it."""

    divisible = False

    def __init__(self, module: LightningDataModule, facts: Mapping[str, Any], batch: int, seed: int) -> None:
        super().__init__()
        self.name, self.module, self.batch, self.seed = type(module).__name__, module, batch, seed
        self._given, self._facts, self._sizes = facts, dict[str, Any](), dict[str, int]()
        self._repeats = True
        self._train_loader: ForeignLoader | None = None

    def load(self) -> None:
        """Raises ValueError for a module that no run can be made of."""
        if self._sizes:
            return
        if hooks := [name for name in TRAINERS_ALONE if is_overridden(self.module, name)]:
            raise ValueError(
                f"{self.name}.{hooks[0]} is called while training alone, and networks are measured without it: do its "
                "work in the dataset or in collate_fn"
            )
        self.module.prepare_data()
        for stage in ("fit", "test"):
            self.module.setup(stage)
        self._facts = read_facts(self.module, self._given)
        self._sizes = {part: self._count(part) for part in LOADERS}
        self._repeats = self._check_batches()

    def _count(self, part: str) -> int:
        """Images of a part; raises ValueError for loaders that cannot be used."""
        if not is_overridden(self.module, LOADERS[part]):
            if part == "val":
                return 0
            raise ValueError(f"{self.name} has no {LOADERS[part]}: a run trains on one and measures on the other")
        loader = self._own_loader(part)
        try:
            return count_images(loader, self.batch)
        except TypeError as error:
            raise ValueError(
                f"{self.name}.{LOADERS[part]} gives a {type(loader).__name__} without a length: one loader is needed "
                "that knows how many batches it has, since schedules and records count them"
            ) from error

    def _check_batches(self) -> bool:
        """Whether the loader repeats its first training batch from the same seed."""
        first = {part: self._first(part) for part in LOADERS if self.sizes[part]}
        for part, batch in first.items():
            if misfit := describe_misfit(batch, self.image_shape, len(self.classes)):
                raise ValueError(f"{self.name}.{LOADERS[part]} gives {misfit}")
        images = first["train"][0]
        if len(images) != self.batch:
            raise ValueError(
                f"{self.name}.train_dataloader gives batches of {len(images)} images, and recipe.batch={self.batch}: "
                f"set recipe.batch={len(images)}, or hand it on, '+data.batch_size=${{recipe.batch}}'"
            )
        return torch.equal(images, self._first("train")[0])

    def _first(self, part: str) -> Any:
        seed_generators(self.seed)
        return next(iter(self._own_loader(part)))

    def _own_loader(self, part: str) -> Any:
        self.module.trainer = self.trainer
        return getattr(self.module, LOADERS[part])()

    @property
    def classes(self) -> tuple[str, ...]:
        return self._facts["classes"]  # type: ignore[no-any-return]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return self._facts["image_shape"]  # type: ignore[no-any-return]

    @property
    def sizes(self) -> dict[str, int]:
        return self._sizes

    @property
    def identity(self) -> str:
        return hashlib.sha256(repr((self._facts, self._sizes)).encode()).hexdigest()

    @property
    def verified(self) -> str:
        return "declared"

    @property
    def remarks(self) -> list[str]:
        known = f"the images of {self.name} are known by the identity that it gives: change it when they change"
        if self._repeats:
            return [known]
        draws = f"{self.name} draws other batches from the same seed: a run that is repeated, or resumed, sees others"
        return [known, draws]

    def train_dataloader(self) -> "ForeignLoader":
        epoch = 0 if self.trainer is None else self.trainer.current_epoch
        self._train_loader = ForeignLoader(self._own_loader("train"), self.seed, epoch)
        return self._train_loader

    def val_dataloader(self) -> Iterable[Batch]:
        return ForeignLoader(self._own_loader("val"), self.seed, 0) if self.sizes["val"] else []

    def test_dataloader(self) -> Iterable[Batch]:
        return ForeignLoader(self._own_loader("test"), self.seed, 0)

    def state_dict(self) -> dict[str, Any]:
        return {} if self._train_loader is None else self._train_loader.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        if state_dict and self._train_loader is not None:
            self._train_loader.load_state_dict(state_dict)


class ForeignLoader(EpochLoader):
    """Seeds torch, numpy and python before each batch, so that order and augmentation follow (seed, epoch) where the
    loader draws from these. Going on within an epoch reads again what came before."""

    def __init__(self, loader: Any, seed: int, epoch: int) -> None:
        super().__init__([np.array([number]) for number in range(len(loader))], epoch)
        self.loader, self.seed = loader, seed

    def deliver(self, batches: list[Int[np.ndarray, " _"]]) -> Iterator[Batch]:
        seed_generators(self.seed, self.epoch, 0)  # with workers order and their seeds are drawn here
        batches_read = iter(self.loader)
        for number in range(len(self)):
            seed_generators(self.seed, self.epoch, number)
            batch = next(batches_read, None)
            if batch is None:
                raise ValueError(f"a {type(self.loader).__name__} ended after {number} of its {len(self)} batches")
            images, labels = batch
            if number >= batches[0][0]:
                yield images, labels


def seed_generators(*numbers: int) -> None:
    (seed,) = np.random.SeedSequence(numbers).generate_state(1)
    torch.manual_seed(int(seed))
    np.random.seed(int(seed))  # noqa: NPY002
    random.seed(int(seed))


def is_overridden(module: LightningDataModule, name: str) -> bool:
    return getattr(type(module), name) is not getattr(LightningDataModule, name)


def count_images(loader: Any, batch: int) -> int:
    """Of one pass. Raises TypeError where the loader has no length."""
    size = loader.batch_size if isinstance(loader, DataLoader) else None
    if size is not None:
        with suppress(TypeError):  # of an iterable data set the sampler knows no end
            images = len(loader.sampler)  # type: ignore[arg-type]
            return images // size * size if loader.drop_last else images
    return len(loader) * batch


def read_facts(module: LightningDataModule, given: Mapping[str, Any]) -> dict[str, Any]:
    """Raises ValueError that names those which neither the config nor the module gives."""
    values = {name: given.get(name, getattr(module, name, None)) for name in FACTS}
    if missing := [name for name, value in values.items() if value is None]:
        words = " and ".join(f"{name} ({FACTS[name]})" for name in missing)
        keys = " ".join(f"data.{name}=..." for name in missing)
        raise ValueError(f"{type(module).__name__} lacks {words}: give it such an attribute, or type {keys}")
    return {
        "classes": read_classes(values["classes"]),
        "image_shape": read_shape(values["image_shape"]),
        "identity": str(values["identity"]),
    }


def read_classes(value: Any) -> tuple[str, ...]:
    if type(value) is int and value > 0:
        return numbered_classes(value)
    if isinstance(value, list | tuple) and value:
        return tuple(map(str, value))
    raise ValueError(f"data.classes must be {FACTS['classes']}, got {value!r}: for example 2, or [cat,dog]")


def read_shape(value: Any) -> tuple[int, int, int]:
    sides = tuple(value) if isinstance(value, list | tuple) else ()
    if len(sides) != 3 or not all(type(side) is int and side > 0 for side in sides):
        raise ValueError(f"data.image_shape must be {FACTS['image_shape']}, got {value!r}: for example [3,32,32]")
    return sides


def describe_misfit(batch: Any, shape: tuple[int, int, int], classes: int) -> str | None:
    """What of a batch is not (images, labels) of this data."""
    tensors = batch if isinstance(batch, list | tuple) else ()
    if len(tensors) != 2 or not all(isinstance(tensor, Tensor) for tensor in tensors):
        return f"a {type(batch).__name__} for a batch: two tensors are needed, (images, labels)"
    images, labels = tensors
    if not images.is_floating_point() or tuple(images.shape[1:]) != shape:
        kind = f"{images.dtype} and of shape {tuple(images.shape[1:])}"
        return f"images of {kind}: floats of data.image_shape={shape} are needed"
    if labels.dtype != torch.long or labels.shape != images.shape[:1]:
        return f"labels of {labels.dtype} and of shape {tuple(labels.shape)}: a torch.long for each image is needed"
    if not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        return f"labels from {int(labels.min())} to {int(labels.max())}: 0 to {classes - 1} are needed, by data.classes"
    return None

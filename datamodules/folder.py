"""ImageNet, or any folder of class folders, of images too large or too many to keep in memory."""

from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Int

from datamodules import contents
from datamodules.base import ImageData
from datamodules.batches import Batch
from datamodules.crops import Normalise
from datamodules.dataset_spec import DatasetSpec, numbered_classes
from datamodules.decode import is_turned
from datamodules.shards import shard_sources
from datamodules.sources import FolderSource, Source
from datamodules.tolerance import Tolerance
from datamodules.tree import omission_remarks, refuse_addresses, scan_train_and_test
from datamodules.workers import Pool, WorkerLoader, available_cores


def folder_sources(root: Path, train: str, test: str, remedy: str) -> tuple[Source, Source]:
    train_tree, test_tree = scan_train_and_test(root, train, test, remedy)
    return FolderSource(train_tree), FolderSource(test_tree)


FORMATS = {"folder": folder_sources, "webdataset": shard_sources}
PUBLISHED = {"imagenet": (1000, 1_281_167)}  # classes and training images, by data.name
FETCH_REMEDY = {  # what to do for who has not got it, by data.name
    "imagenet": "; to make it, put the three ILSVRC2012_*.tar* of image-net.org (train, val, devkit_t12) there and run "
    "python -c \"from torchvision.datasets import ImageNet as I; I('FOLDER', 'train'); I('FOLDER', 'val')\""
}
EXIF = ("apply", "ignore")
ORIENTATION_SAMPLE = 200  # training images, for how many of them their camera lay on its side
LAYOUTS = {"folder": "{part}/<class>/*", "webdataset": "*{part}*.tar"}


@final
class Folder(ImageData):
    """`train` and `test` name the folders (or shards) of the two parts; `workers` null: one for each core;
    `resize`: the shorter side of a test image before its middle is cut out; `broken_most`: the share of images that
    `skip_broken` may leave out; `exif`: apply turns each image as its camera says, ignore takes it as it is stored;
    `verify`: auto reads the files to know a changed image, a sample of them above 2 GB; full reads all.
    """

    def __init__(
        self,
        name: str,
        root: str | None,
        format: str,
        train: str,
        test: str,
        size: int,
        resize: int,
        workers: int | None,
        exif: str,
        verify: str,
        skip_broken: bool,
        broken_most: float,
        batch: int,
        val: float | int,
        seed: int,
        mean: list[float],
        std: list[float],
    ) -> None:
        super().__init__(batch, val, seed)
        if format not in FORMATS:
            raise ValueError(f"data.format must be one of {', '.join(FORMATS)}, got {format}")
        if exif not in EXIF:
            raise ValueError(f"data.exif must be one of {', '.join(EXIF)}, got {exif}")
        if verify not in contents.VERIFY:
            raise ValueError(f"data.verify must be one of {', '.join(contents.VERIFY)}, got {verify}")
        refuse_addresses(root=root, train=train, test=test)
        if size < 1 or resize < size:
            raise ValueError(f"data.resize must be data.size or more, got size={size} and resize={resize}")
        self.name, self.root, self.format, self.train, self.test = name, root, format, train, test
        self.size, self.resize, self.mean, self.std = size, resize, tuple(mean), tuple(std)
        self.verify, self.upright = verify, exif == "apply"
        self.workers, self.skip_broken, self.broken_most = workers, skip_broken, broken_most
        self._pools: dict[tuple[str, str], Pool] = {}

    @property
    def published_spec(self) -> DatasetSpec | None:
        if self.root is not None or self.name not in PUBLISHED:
            return None
        classes, images = PUBLISHED[self.name]
        return DatasetSpec(numbered_classes(classes), self.image_shape, images, self.val, self.batch)

    @cached_property
    def _sources(self) -> dict[str, Source]:
        layout = LAYOUTS[self.format]
        remedy = f"data.root must hold {layout.format(part=self.train)} and {layout.format(part=self.test)}"
        if self.format == "folder":
            remedy += FETCH_REMEDY.get(self.name, "")
        if self.root is None:
            raise FileNotFoundError(f"data={self.name} needs data.root=FOLDER: {remedy}")
        root = Path(self.root).expanduser()
        train, test = FORMATS[self.format](root, self.train, self.test, remedy)
        return {"train": train, "test": test}

    @cached_property
    def tolerance(self) -> Tolerance:
        images = sum(len(source.labels) for source in self._sources.values())
        return Tolerance(self.skip_broken, int(self.broken_most * images))

    @property
    def remarks(self) -> list[str]:
        return [*omission_remarks([source.omissions for source in self._sources.values()]), *self._exif_remarks()]

    def _exif_remarks(self) -> list[str]:
        """A look at some images, evenly drawn: reading all of a large set would take minutes."""
        source = self._sources["train"]
        sample = np.unique(np.linspace(0, len(source.labels) - 1, ORIENTATION_SAMPLE, dtype=np.int64)).tolist()
        count = sum(map(is_turned, source.contents(sample)))
        action = "they are turned upright" if self.upright else "they are taken as stored (data.exif=apply turns them)"
        remark = f"{count} of {len(sample)} training images looked at carry an EXIF orientation: {action}"
        return [remark] if count else []

    @property
    def left_out(self) -> dict[str, list[str]]:
        return {part: sorted(names) for part, names in self.tolerance.left_out.items()}

    def leave_out(self, names: dict[str, list[str]]) -> None:
        for part, images in names.items():
            self.tolerance.left_out[part].update(images)

    def load(self) -> None:
        _ = self._indices_by_part

    @property
    def classes(self) -> tuple[str, ...]:
        return self._sources["train"].classes

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return 3, self.size, self.size

    @property
    def labels(self) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]:
        return self._sources["train"].labels, self._sources["test"].labels

    @property
    def content(self) -> str:
        return self._content.digest

    @property
    def verified(self) -> str:
        return self._content.verified

    @cached_property
    def _content(self) -> contents.Content:
        return contents.identify(Path(str(self.root)).expanduser(), list(self._sources.values()), self.verify)

    @property
    def preparation(self) -> str:
        upright = " upright" if self.upright else ""
        return f"resize {self.resize} crop {self.size} mean {self.mean} std {self.std}{upright}"

    def train_batches(self, batches: list[Int[np.ndarray, " _"]], epoch: int) -> WorkerLoader:
        return self._loader("train", "random", batches, epoch)

    def plain_batches(self, part: str, batches: list[Int[np.ndarray, " _"]]) -> Iterable[Batch]:
        return self._loader(part, "middle", batches)

    def _loader(self, part: str, view: str, batches: list[Int[np.ndarray, " _"]], *epoch: int) -> WorkerLoader:
        normalise = Normalise(self.mean, self.std, self.size, self.device)
        pool = self._pool(part, view)
        return WorkerLoader(pool, normalise, self.tolerance, part, self.device, batches, self.seed, *epoch)

    def _pool(self, part: str, view: str) -> Pool:
        """One for each part and view: validation may run in the middle of a training epoch."""
        from datamodules.views import Views  # imports torchvision's transforms

        if (part, view) not in self._pools:
            processes = 1 if self.trainer is None else self.trainer.num_devices
            workers = available_cores(processes) if self.workers is None else self.workers
            self._pools[part, view] = Pool(
                self._sources[part], Views(self.size, self.resize), workers, self.batch, self.upright, processes
            )
        return self._pools[part, view]

    def teardown(self, stage: str | None = None) -> None:
        """Lets the workers go."""
        while self._pools:
            self._pools.popitem()[1].close()

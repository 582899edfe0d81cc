"""How fast images reach the network, against torchvision's per-sample DataLoader in the same run.

    python -m experiments.benchmarks.input --cifar data --imagenet SAMPLES --images 1000 10000 50000

SAMPLES is a folder <class>/<image> of any number of images, looped over. All sides take turns; medians are shown, and
shares are medians of each turn's share. Aims: CIFAR 300,000 images/s on one core (500,000 on a GPU); ImageNet at 0.9 of
bare decoding and transforming for each worker, in CPU time, since other programs slow down the wall clock only.
"""

import multiprocessing
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.io import ImageReadMode, decode_image
from torchvision.transforms import v2

from datamodules.cifar import Cifar
from datamodules.folder import Folder
from experiments.benchmarks.harness import Row, run_benchmark

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
BATCH, TURNS, TIMED_IMAGES = 128, 5, 1000  # TIMED_IMAGES: ImageNet images of one turn
NORMALISE = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
AUGMENT = [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()]


class Pass(NamedTuple):
    """Images per second of the clock, of a worker's CPU time (the main process's without workers), and the milliseconds
    of the main process for each image where there are workers.
    """

    clock: float
    cpu: float
    main_ms: float


class Samples(Dataset[tuple[torch.Tensor, int]]):
    """torchvision's way with CIFAR: one image at a time, from an array."""

    def __init__(self, data: Cifar, images: int) -> None:
        from PIL import Image

        self.pixels = data.decoded.train_pixels[:images].numpy()
        self.labels = data.decoded.train_labels[:images].tolist()
        self.picture = Image.fromarray
        self.transform = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), *NORMALISE])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.picture(self.pixels[index])), self.labels[index]


def time_pass(batches: Iterable[tuple[torch.Tensor, torch.Tensor]], helped: bool = False) -> Pass:
    """`helped`: by a worker process; others, idle meanwhile, use a little CPU time too."""
    clock, main_cpu, workers_cpu = time.perf_counter(), time.process_time(), worker_seconds()
    images = sum(len(labels) for _, labels in batches)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    clock, main_cpu = time.perf_counter() - clock, time.process_time() - main_cpu
    if not helped:
        return Pass(images / clock, images / main_cpu, 0.0)
    return Pass(images / clock, images / (worker_seconds() - workers_cpu), 1000 * main_cpu / images)


def worker_seconds() -> float:
    """CPU seconds of all worker processes so far, their threads included."""
    tasks = [task for child in multiprocessing.active_children() for task in Path(f"/proc/{child.pid}/task").iterdir()]
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def compare_sides(what: str, sides: dict[str, Callable[[], Pass]], yardstick: str) -> list[Row]:
    """One row for each side; the first turn warms up."""
    turns = [{name: side() for name, side in sides.items()} for _ in range(TURNS + 1)][1:]
    return [side_row(what, name, turns, yardstick) for name in sides]


def side_row(what: str, name: str, turns: list[dict[str, Pass]], yardstick: str) -> Row:
    def median(compare: Callable[[Pass, Pass], float]) -> float:
        return statistics.median(compare(turn[name], turn[yardstick]) for turn in turns)

    return {
        "what": what,
        "side": name,
        "images/s": median(lambda side, _: side.clock),
        "images per CPU second": median(lambda side, _: side.cpu),
        "times the yardstick, clock": median(lambda side, yardstick_pass: side.clock / yardstick_pass.clock),
        "times the yardstick, CPU": median(lambda side, yardstick_pass: side.cpu / yardstick_pass.cpu),
        "main process, ms per image": median(lambda side, _: side.main_ms),
    }


def measure_small_images(root: str, device: torch.device) -> list[Row]:
    data = Cifar("cifar10", root, False, BATCH, 0, 0, 4, True, MEAN, STD)
    data.setup()
    strategy = SimpleNamespace(root_device=device)  # what a Trainer would tell
    data.trainer = SimpleNamespace(current_epoch=0, global_rank=0, world_size=1, strategy=strategy)  # type: ignore[assignment]
    loader = DataLoader(Samples(data, 5000), BATCH, shuffle=True)
    sides = {"torchvision": lambda: time_pass(loader), "ours": lambda: time_pass(data.train_dataloader())}
    return compare_sides(f"CIFAR-10 training batches, {device}", sides, "torchvision")


def link_samples(samples: Path, folder: Path, images: int) -> None:
    """A training and a test folder of so many links to the samples."""
    files = sorted(path for path in samples.glob("*/*") if path.is_file())
    for number in range(images):
        file = files[number % len(files)]
        for part in ("train", "val") if number < len(files) else ("train",):
            (folder / part / file.parent.name).mkdir(parents=True, exist_ok=True)
            (folder / part / file.parent.name / f"{number:07d}{file.suffix}").symlink_to(file.resolve())


def folder_data(root: str) -> Folder:
    data = Folder(
        "imagenet", root, "folder", "train", "val", 224, 256, 1, "ignore", "auto", False, 0.0, BATCH, 0, 0, MEAN, STD
    )
    data.setup()
    return data


def decode_bare(files: list[Path]) -> Iterable[tuple[torch.Tensor, torch.Tensor]]:
    """torchvision's decoding and transforms in this process, nothing else."""
    transform = v2.Compose(AUGMENT)
    for file in files:
        content = torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8)
        yield transform(decode_image(content, ImageReadMode.RGB)), torch.zeros(1)


def measure_large_images(samples: Path) -> list[Row]:
    """One worker process against the same work without any pipeline, and against torchvision's ImageFolder."""
    with tempfile.TemporaryDirectory() as root:
        link_samples(samples, Path(root), TIMED_IMAGES)
        data = folder_data(root)
        files = sorted(Path(root).glob("train/*/*"))
        images = ImageFolder(f"{root}/train", v2.Compose([*AUGMENT, *NORMALISE]))
        loader = DataLoader(images, BATCH, shuffle=True, num_workers=1, persistent_workers=True)
        sides = {
            "bare decode and transform": lambda: time_pass(decode_bare(files)),
            "ours, one worker": lambda: time_pass(data.train_dataloader(), helped=True),
            "torchvision, one worker": lambda: time_pass(loader, helped=True),
        }
        rows = compare_sides("ImageNet training batches", sides, "bare decode and transform")
        data.teardown()
    return rows


def measure_memory(samples: Path, marks: list[int]) -> list[Row]:
    """What this process and its worker hold after so many images of one epoch (shared pages split)."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as root:
        link_samples(samples, Path(root), max(marks))
        data = folder_data(root)
        seen, begin = 0, time.perf_counter()
        for _, labels in data.train_dataloader():
            seen += len(labels)
            if seen >= sorted(marks)[len(rows)]:
                speed = seen / (time.perf_counter() - begin)
                row: Row = {"what": "ImageNet, one worker", "after images": seen}
                rows.append(row | {"MB": resident_megabytes(), "images/s": speed})
        data.teardown()
    return rows


def resident_megabytes() -> int:
    """Proportional set size of this process and its children, in MB."""
    pids = ["self", *(child.pid for child in multiprocessing.active_children())]
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() for pid in pids]
    return sum(int(line.split()[1]) for lines in rollups for line in lines if line.startswith("Pss:")) // 1024


def measure(cifar: str | None, imagenet: Path | None, images: list[int], device: str) -> list[Row]:
    rows = measure_small_images(cifar, torch.device(device)) if cifar else []
    if imagenet:
        rows += measure_large_images(imagenet) + (measure_memory(imagenet, images) if images else [])
    return rows


if __name__ == "__main__":
    run_benchmark(
        "input",
        "Batches of images against torchvision's per-sample loaders, one thread",
        measure,
        cifar={"help": "data.root of CIFAR-10"},
        imagenet={"help": "sample images, <class>/<image>", "type": Path},
        images={"help": "where to weigh the memory", "type": int, "nargs": "*", "default": [1000, 10_000, 50_000]},
        device={"help": "where small images are kept", "default": "cpu"},
    )

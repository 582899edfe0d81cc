"""How fast images reach the network, against torchvision's per-sample DataLoader in the same run.

    python -m experiments.benchmarks.input --cifar data                 # CIFAR-10 batches, one core
    python -m experiments.benchmarks.input --imagenet SAMPLES --images 1000 10000 50000

SAMPLES is a folder <class>/<image> of any number of images, looped over. Both sides take turns; medians are shown.
Aims: CIFAR 300,000 images/s on one core (500,000 on a GPU); ImageNet at 0.9 of bare decoding and transforming.
"""

import argparse
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from datamodules.cifar import Cifar
from datamodules.decode import decode_planes
from datamodules.folder import Folder

MEAN, STD = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
BATCH, TURNS = 128, 5
NORMALISE = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
Row = dict[str, Any]


class Samples(Dataset[tuple[torch.Tensor, int]]):
    """torchvision's way with CIFAR: one image at a time, from an array."""

    def __init__(self, data: Cifar, images: int) -> None:
        from PIL import Image

        self.pixels, self.labels = (
            data.decoded.train_pixels[:images].numpy(),
            data.decoded.train_labels[:images].tolist(),
        )
        self.picture = Image.fromarray
        self.transform = v2.Compose([v2.RandomCrop(32, padding=4), v2.RandomHorizontalFlip(), *NORMALISE])

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.picture(self.pixels[index])), self.labels[index]


def rate(batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """Images per second of one pass."""
    begin, images = time.perf_counter(), 0
    for _, labels in batches:
        images += len(labels)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return images / (time.perf_counter() - begin)


def in_turns(sides: dict[str, Callable[[], float]], turns: int) -> dict[str, float]:
    """The median rate of each side; the first turn warms up."""
    rates: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(turns + 1):
        for name, side in sides.items():
            rates[name].append(side())
    return {name: statistics.median(values[1:]) for name, values in rates.items()}


def small_images(root: str, device: str) -> list[Row]:
    data = Cifar("cifar10", root, False, BATCH, 0, 0, 4, True, MEAN, STD)
    data.setup()
    if device != "cpu":
        data.trainer = _Stand(torch.device(device))  # type: ignore[assignment]
    theirs = DataLoader(Samples(data, 5000), BATCH, shuffle=True)
    sides = {"ours": lambda: rate(data.train_dataloader()), "torchvision": lambda: rate(theirs)}
    return [{"what": f"CIFAR-10 training batches, {device}", **in_turns(sides, TURNS)}]


class _Stand:
    """A place on another device, as a Trainer gives it."""

    current_epoch, global_rank, world_size = 0, 0, 1

    def __init__(self, device: torch.device) -> None:
        self.strategy = argparse.Namespace(root_device=device)


def linked(samples: Path, folder: Path, images: int) -> None:
    """A training and a test folder of so many links to the samples."""
    files = sorted(path for path in samples.glob("*/*") if path.is_file())
    for number in range(images):
        file = files[number % len(files)]
        for part in ("train", "val") if number < len(files) else ("train",):
            (folder / part / file.parent.name).mkdir(parents=True, exist_ok=True)
            (folder / part / file.parent.name / f"{number:07d}{file.suffix}").symlink_to(file.resolve())


def large_data(root: str, workers: int) -> Folder:
    data = Folder("imagenet", root, "folder", "val", 224, 256, workers, False, 0.0, BATCH, 0, 0, MEAN, STD)
    data.setup()
    return data


def bare(files: list[Path]) -> float:
    """Decoding and transforming in this process, nothing else."""
    transform = v2.Compose([v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()])
    begin = time.perf_counter()
    for file in files:
        transform(decode_planes(file.read_bytes(), str(file)))
    return len(files) / (time.perf_counter() - begin)


def large_images(samples: Path, images: int) -> list[Row]:
    """One worker process against the same work without any pipeline, and against torchvision's ImageFolder."""
    with tempfile.TemporaryDirectory() as root:
        linked(samples, Path(root), images)
        data = large_data(root, 1)
        files = sorted(Path(root).glob("train/*/*"))
        transform = v2.Compose([v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip(), *NORMALISE])
        theirs = DataLoader(
            ImageFolder(f"{root}/train", transform), BATCH, shuffle=True, num_workers=1, persistent_workers=True
        )
        sides = {
            "ours": lambda: rate(data.train_dataloader()),
            "bare": lambda: bare(files),
            "torchvision": lambda: rate(theirs),
        }
        rates = in_turns(sides, TURNS)
        data.teardown()
    return [{"what": "ImageNet training batches, one worker", **rates}]


def memory(samples: Path, marks: list[int]) -> list[Row]:
    """What this process and its workers hold after so many images of one epoch, in MB (shared pages split)."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as root:
        linked(samples, Path(root), max(marks))
        data = large_data(root, 2)
        seen, begin = 0, time.perf_counter()
        for _, labels in data.train_dataloader():
            seen += len(labels)
            if len(rows) < len(marks) and seen >= sorted(marks)[len(rows)]:
                speed = seen / (time.perf_counter() - begin)
                rows.append({"what": f"ImageNet, two workers, after {seen} images", "ours": speed, "memory_mb": held()})
        data.teardown()
    return rows


def held() -> int:
    """Proportional set size of this process and its children."""
    children = Path("/proc/self/task").glob("*/children")
    pids = ["self", *(pid for file in children for pid in file.read_text().split())]
    rollups = [Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines() for pid in pids]
    return sum(int(line.split()[1]) for lines in rollups for line in lines if line.startswith("Pss:")) // 1024


def table(rows: list[Row]) -> str:
    lines = [f"{'':45s}{'ours':>12s}{'bare':>12s}{'torchvision':>14s}{'memory MB':>12s}"]
    for row in rows:
        cells = [f"{row[key]:,.0f}" if key in row else "" for key in ("ours", "bare", "torchvision", "memory_mb")]
        lines.append(f"{row['what']:45s}{cells[0]:>12s}{cells[1]:>12s}{cells[2]:>14s}{cells[3]:>12s}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cifar", help="data.root of CIFAR-10")
    parser.add_argument("--imagenet", type=Path, help="sample images, <class>/<image>")
    parser.add_argument(
        "--images", type=int, nargs="+", default=[1000, 10_000, 50_000], help="where to weigh the memory"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--out", type=Path, help="JSON")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = small_images(args.cifar, args.device) if args.cifar else []
    if args.imagenet:
        rows += large_images(args.imagenet, 1000) + memory(args.imagenet, args.images)
    print(table(rows))
    if args.out:
        conditions = {
            "torch": torch.__version__,
            "machine": platform.machine(),
            "threads": 1,
            "batch": BATCH,
            "turns": TURNS,
        }
        args.out.write_text(json.dumps({"images_per_second": rows, "conditions": conditions}, indent=1) + "\n")


if __name__ == "__main__":
    main()

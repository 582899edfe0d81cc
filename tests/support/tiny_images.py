"""What the tests of data share: tiny folders of images, and digests of batches."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import numpy as np
import torch
from lightning.pytorch import LightningDataModule
from PIL import Image

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
KINDS = {"RGB": "jpg", "L": "jpg", "CMYK": "jpg", "P": "png", "RGBA": "png", "LA": "png", "I;16": "png", "1": "bmp"}


def digest(batches: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> str:
    whole = hashlib.sha256()
    for images, labels in batches:
        whole.update(images.contiguous().numpy().tobytes() + labels.numpy().tobytes())
    return whole.hexdigest()


def stand(data: LightningDataModule, epoch: int = 0, rank: int = 0, world: int = 1) -> None:
    """Where a Trainer would have put the data."""
    strategy = SimpleNamespace(root_device=torch.device("cpu"))
    data.trainer = SimpleNamespace(
        current_epoch=epoch, global_rank=rank, world_size=world, num_devices=world, strategy=strategy
    )


class _Handler(http.server.SimpleHTTPRequestHandler):
    asked: ClassVar[list[str]]

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """A folder by HTTP on this machine: its address, and what was asked for so far."""
    handler = type("Handler", (_Handler,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", handler.asked
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


def write_images(folder: Path, count: int, seed: int, side: int = 32) -> None:
    folder.mkdir(parents=True)
    for number, pixels in enumerate(np.random.default_rng(seed).integers(0, 256, (count, side, side, 3), np.uint8)):
        Image.fromarray(pixels).save(folder / f"{number:04d}.png")


def picture(mode: str = "RGB", width: int = 70, height: int = 50, seed: int = 0) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), np.uint8)
    image = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    if mode == "I;16":
        return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)
    return image.convert(mode)


def jpeg(**changed: object) -> bytes:
    buffer = io.BytesIO()
    picture(**changed).save(buffer, "JPEG")
    return buffer.getvalue()


def add(archive: tarfile.TarFile, name: str, content: bytes, **changed: object) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for key, value in changed.items():
        setattr(member, key, value)
    archive.addfile(member, io.BytesIO(content))

"""How a stage is executed: precision, layout, compiled or not. Chosen before it begins and said in one line.

A function of the config, the machine and the number of images, never of a measurement: a killed stage that goes on
must choose as it did before.
"""

import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from shutil import which

import torch

# Images of a whole stage, by device. ResNet-20 saves 0.15 ms an image in bf16 and 0.12 in float32, VGG-16 0.20, and
# compiling takes 84 to 100 s of a busy machine (LOG.md). Never measured on a GPU, so there only where it is asked for.
COMPILE_FROM = {"cpu": 700_000}
OPTIMIZERS = {"sgd": "SGD", "adamw": "AdamW"}


@dataclass(frozen=True)
class Execution:
    precision: str
    layout: torch.memory_format
    compiled: bool
    why: str  # compiled or not
    optimizer: str = "SGD"

    def __str__(self) -> str:
        order = "channels last" if self.layout is torch.channels_last else "channels first"
        step = self.optimizer if self.precision == "16-mixed" else f"fused {self.optimizer}"
        return f"{self.precision}, {order}, {step}, {'' if self.compiled else 'not '}compiled ({self.why})"


def choose_execution(
    precision: str, compile: bool | str, device: torch.device, images: int, optimizer: str = "sgd"
) -> Execution:
    compiled, why = is_worth_compiling(device.type, images) if compile == "auto" else (bool(compile), "as asked")
    return Execution(precision, choose_layout(precision, device, compiled), compiled, why, OPTIMIZERS[optimizer])


def choose_layout(precision: str, device: torch.device, compiled: bool) -> torch.memory_format:
    """Channels-last pays on GPUs and in float32 (VGG-16, two cores: 155 to 116 images/s), not in bf16 on a CPU.

    Compiled it is right too: channels first, torch 2.15 gives gradients that are not finite for a ResNet-20 of which
    L1 has taken half (LOG.md).
    """
    pays = compiled or device.type != "cpu" or precision == "32-true"
    return torch.channels_last if pays else torch.contiguous_format


def is_worth_compiling(kind: str, images: int) -> tuple[bool, str]:
    """Whether training on so many images earns back what compiling takes."""
    if kind not in COMPILE_FROM:
        return False, f"not measured on {kind}; trainer.compile=true tries it"
    if kind == "cpu" and not has_compiler():
        return False, "no C++ compiler with Python's headers here"
    return images >= COMPILE_FROM[kind], f"{images:,} images; worth it from {COMPILE_FROM[kind]:,}"


def has_compiler() -> bool:
    """What torch.compile needs on a CPU."""
    headers = Path(sysconfig.get_path("include"), "Python.h")
    return headers.exists() and any(map(which, (os.environ.get("CXX") or "g++", "clang++")))

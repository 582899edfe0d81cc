"""What this machine does well, and what a result was made on."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

import torch

from experiments.sources import ROOT

NATIVE_BF16 = ("avx512_bf16", "amx_bf16")
REGISTERS = {"AVX512": 64, "AVX2": 32, "SVE256": 32}  # bytes, by torch's word for the processor; 16 otherwise
NAMED = ("torch", "torchvision", "lightning", "torchmetrics", "hydra-core", "numpy", "safetensors")


def device(accelerator: str) -> torch.device:
    """Where networks are measured, by the words of trainer.accelerator."""
    if accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available()):
        return torch.device("cuda")
    if accelerator in ("auto", "cpu"):
        return torch.device("cpu")
    return torch.device(accelerator)


def precision(asked: str, on: torch.device) -> tuple[str, str]:
    """The precision to train in, and the reason in words."""
    if asked != "auto":
        return asked, "as asked"
    if on.type == "cuda":
        native, what = torch.cuda.is_bf16_supported(including_emulation=False), torch.cuda.get_device_name()
    else:
        native, what = any(flag in cpu_flags() for flag in NATIVE_BF16), "this processor"
    if native:
        return "bf16-mixed", f"{what} has it natively (trainer.precision=32-true trains in float32)"
    return "32-true", f"{what} has no native bf16"


def lanes(on: torch.device) -> int:
    """The multiple that widths should be of: float32 numbers in a vector register, 8 half-precision ones on a GPU."""
    if on.type != "cpu":
        return 8
    return REGISTERS.get(torch.backends.cpu.get_cpu_capability(), 16) // 4


def cpu_flags() -> set[str]:
    return set(cpu_field("flags").split())


def cpu_field(field: str) -> str:
    """One field of the first processor; empty where the system does not say."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")


def describe(on: torch.device) -> str:
    if on.type == "cuda":
        return torch.cuda.get_device_name()
    name = cpu_field("model name") or platform.processor() or platform.machine()
    return f"{name}, {torch.get_num_threads()} threads"


def versions(on: torch.device) -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in NAMED} | drivers(on)


def drivers(on: torch.device) -> dict[str, str]:
    """Of what computes on a GPU; nothing where none is used, whatever torch was built with."""
    if on.type != "cuda":
        return {}
    return {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}


def commit() -> str | None:
    """The short commit, with a + when files differ from it; None outside a repository."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=8", "--dirty=+", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None

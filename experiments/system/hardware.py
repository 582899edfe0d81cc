"""What this machine does well, and what a result was made on."""

import os
import platform
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import torch

import pruning

NATIVE_BF16 = ("avx512_bf16", "amx_bf16")
RECORDED_LIBRARIES = ("torch", "torchvision", "lightning", "torchmetrics", "hydra-core", "numpy", "safetensors")


def device(accelerator: str, devices: int | str | list[int] = 1, rank: int = 0) -> torch.device:
    """Where the process of this rank on its machine trains and measures, by the words of trainer.accelerator and
    trainer.devices. Asks no GPU.

    Raises:
        ValueError: no kind of device that torch knows.
    """
    if accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available()):
        return torch.device("cuda", device_index(devices, rank))
    try:
        return torch.device("cpu" if accelerator == "auto" else accelerator)
    except RuntimeError as error:
        raise ValueError(f"trainer.accelerator must be auto, cpu or gpu, got {accelerator}") from error


def device_index(devices: int | str | list[int], rank: int) -> int:
    """2, "2" and "auto" count from 0; [1, 3] and "1,3" are the indices themselves, one for each process here."""
    indices = [part for part in devices.split(",") if part] if isinstance(devices, str) and "," in devices else devices
    return int(indices[rank % len(indices)]) if isinstance(indices, list | tuple) and indices else rank


def local_rank() -> int:
    """This process's number among those of its run on this machine, as torchrun and we, or srun, have set it."""
    return int(os.environ.get("LOCAL_RANK") or os.environ.get("SLURM_LOCALID") or 0)


def set_current_device(device: torch.device) -> None:
    """From here on a GPU without a number is this one: pinned memory, events and queries would touch the first."""
    if device.type == "cuda":
        torch.cuda.set_device(device)


def choose_precision(requested: str, device: torch.device) -> tuple[str, str]:
    """The precision to train in, and the reason in words."""
    if requested == "16-mixed" and device.type != "cuda":
        raise ValueError(
            f"trainer.precision=16-mixed needs a GPU, and this run is on the {device.type}: take bf16-mixed"
        )
    if requested != "auto":
        return requested, "as asked"
    if device.type == "cuda":
        with torch.cuda.device(device):
            native, hardware = (
                torch.cuda.is_bf16_supported(including_emulation=False),
                torch.cuda.get_device_name(device),
            )
    else:
        native, hardware = any(flag in cpu_flags() for flag in NATIVE_BF16), "this processor"
    if native:
        return "bf16-mixed", f"{hardware} has it natively (trainer.precision=32-true trains in float32)"
    return "32-true", f"{hardware} has no native bf16"


def cpu_flags() -> set[str]:
    return set(cpu_field("flags").split())


def cpu_field(field: str) -> str:
    """One field of the first processor; empty where the system does not say."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(field)), "")


def describe(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device) + (", TF32 convolutions" if has_tf32() else "")
    return f"{processor()}, {torch.get_num_threads()} threads"


def processor() -> str:
    return cpu_field("model name") or platform.processor() or platform.machine()


def timed_on() -> str:
    """All that the time of a network hangs on, but for how it is run."""
    libraries = [f"{name} {version(name)}" for name in ("torch", "onnxruntime") if find_spec(name)]
    return ", ".join([processor(), *libraries])


def has_tf32() -> bool:
    """Whether a GPU's float32 convolutions round their factors to 10 bits, as torch lets them unless told."""
    return bool(torch.backends.cudnn.conv.fp32_precision == "tf32")  # type: ignore[attr-defined]


def versions(device: torch.device) -> dict[str, str]:
    return (
        {"python": platform.python_version(), "cnn-pruning": pruning.__version__}
        | {name: version(name) for name in RECORDED_LIBRARIES}
        | driver_versions(device)
    )


def driver_versions(device: torch.device) -> dict[str, str]:
    """Of what computes on a GPU; nothing where none is used, whatever torch was built with."""
    if device.type != "cuda":
        return {}
    return {"cuda": str(torch.version.cuda), "cudnn": str(torch.backends.cudnn.version())}

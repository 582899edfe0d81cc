"""Numbers of a device that nobody waits for: asked for at once, read when they have come."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


class DeferredNumber:
    """A tensor of one number that a device, or an exchange between processes (`work`), is still making.

    Reading it waits for that alone, not for what the device was given to do since.
    """

    def __init__(self, value: Tensor, work: dist.Work | None = None) -> None:
        self._value, self._work, self._come = value, work, torch.cuda.Event() if value.is_cuda else None
        if self._come is not None:
            if work is not None:
                work.wait()  # the device's stream does, not the processor
            self._value = torch.empty((), dtype=value.dtype, pin_memory=True)
            self._value.copy_(value, non_blocking=True)
            self._come.record()

    def read(self) -> bool | int | float:
        if self._come is not None:
            self._come.synchronize()
        elif self._work is not None:
            self._work.wait()
        return self._value.item()

"""Why a network cannot be traced, and where in its forward."""

from __future__ import annotations

import linecache
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from types import FrameType

import torch

HIDDEN = (str(Path(torch.__file__).parent), str(Path(__file__).parent), "<frozen", "<eval_with_key>")
OWN_MODULE = "move that part into a module of its own without parameters"
VALUE_BRANCH = "forward takes the branch on a tensor's value", "use torch.where, or " + OWN_MODULE
VALUE_READ = "forward reads a tensor's value as a number of Python", "keep it a tensor, or " + OWN_MODULE
AUTOGRAD_FUNCTION = (
    "forward calls a torch.autograd.Function (torch.utils.checkpoint does too), which torch.fx cannot see into",
    "switch checkpointing off or write it with torch's own functions, or " + OWN_MODULE,
)
BATCH_DECIDES = (
    "Python decides by the number of images in the batch, and the graph would hold for that number only",
    "do the same for every number (a size that is only passed on may be any), or " + OWN_MODULE,
)


class RefusalError(Exception):
    """What forward does that no graph can hold, and what to write instead."""

    def __init__(self, reason: str, remedy: str = OWN_MODULE) -> None:
        super().__init__(reason)
        self.remedy = remedy


class UnfitImagesError(Exception):
    """A call takes no tensors of such shapes, in its own words."""


@dataclass(frozen=True)
class Place:
    """A line of a network's forward."""

    file: str
    line: int

    @property
    def text(self) -> str:
        return linecache.getline(self.file, self.line).strip()

    @property
    def is_assertion(self) -> bool:
        return self.text.startswith("assert")

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.text}"


def calling_place() -> Place:
    """The line of forward that is being traced."""
    inside = takewhile(lambda step: step[0].f_code.co_name != "trace_graph", traceback.walk_stack(None))
    return next(_visible(inside), Place("?", 0))


def failing_place(error: BaseException) -> Place | None:
    """The line of forward that an error comes from."""
    return next(reversed(list(_visible(traceback.walk_tb(error.__traceback__)))), None)


def _visible(frames: Iterable[tuple[FrameType, int]]) -> Iterator[Place]:
    for frame, line in frames:
        if not frame.f_code.co_filename.startswith(HIDDEN):
            yield Place(frame.f_code.co_filename, line)

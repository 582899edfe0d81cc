"""What goes wrong in the tests, as classes that a config names."""

import atexit
import math
import os
import signal
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

from datamodules.folder import Folder
from pruning.methods.fcf import FCF
from pruning.methods.l1 import L1
from pruning.models import initialise
from pruning.selection import Selection
from pruning.training.task import ClassificationTask
from support.narrow import narrow_vgg
from support.tiny_run import Quadrants


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


class Plain(nn.Sequential):
    """Two convolutions without norms: one process and two compute the same."""

    def __init__(self, classes: int) -> None:
        body = (nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1), nn.ReLU())
        super().__init__(*body, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(32, classes))


def plain(classes: int, image_shape: tuple[int, int, int], seed: int) -> nn.Module:
    return initialise(Plain(classes), seed)


def wide(classes: int, image_shape: tuple[int, int, int], seed: int) -> nn.Module:
    """Large enough that its checkpoint does not fit where its metrics do."""
    body = (nn.Conv2d(3, 160, 3, padding=1), nn.ReLU(), nn.Conv2d(160, 160, 3, padding=1), nn.ReLU())
    return initialise(nn.Sequential(*body, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(160, classes)), seed)


def narrow(classes: int, image_shape: tuple[int, int, int], seed: int) -> nn.Module:
    return initialise(narrow_vgg(classes, image_shape[0]), seed)


class OneSided(L1):
    """Decides otherwise in the second process."""

    def select(self, network: nn.Module) -> Selection:
        choice = super().select(network)
        if rank() == 1:
            choice = Selection({**choice, "2": choice["2"].roll(1, 0)})
        return choice


class OneMasked(L1):
    """While its stage trains, silences a filter in the second process only."""

    needs_training = True

    def settle(self, network: nn.Module) -> None:
        if rank() == 1:
            with torch.no_grad():
                network.get_submodule("2").weight[0] = 0


class Stops:
    """STOP=<steps>:<signal>,...: that signal to ourselves while that step of the stage is made (the first is 1)."""

    def train_batches(self, batches: Any, epoch: int) -> Any:
        loader = super().train_batches(batches, epoch)  # type: ignore[misc]
        asked = [each.split(":") for each in os.environ.get("STOP", "").split(",") if each]
        stops = {int(step) - epoch * len(loader): int(number) for step, number in asked}
        return stopping(loader, stops)


class Stopping(Stops, Quadrants):
    pass


class StoppingFolder(Stops, Folder):  # type: ignore[misc]
    pass


def stopping(loader: Any, stops: dict[int, int]) -> Any:
    deliver = loader.deliver

    def send(batches: Any) -> Any:
        before = len(loader) - len(batches)
        for number, batch in enumerate(deliver(batches), start=before + 1):
            if number in stops:
                os.kill(os.getpid(), stops[number])
            yield batch

    loader.deliver = send
    return loader


class Poisoned(Stopping):
    """POISON=<rank>:<batch>: an image of that batch of epoch 1 is no number, in that process. LATE: steps are judged
    late, as on a GPU."""

    def train_batches(self, batches: Any, epoch: int) -> Any:
        ClassificationTask.defer_check = True if "LATE" in os.environ else None
        loader = super().train_batches(batches, epoch)
        place, _, batch = os.environ.get("POISON", "-1:0").partition(":")
        return spoilt(loader, int(batch)) if epoch == 1 and rank() == int(place) else loader


def spoilt(loader: Any, at: int) -> Any:
    deliver = loader.deliver

    def poison(batches: Any) -> Any:
        for number, (images, labels) in enumerate(deliver(batches)):
            if number == at:
                images[0, 0, 0, 0] = float("nan")
            yield images, labels

    loader.deliver = poison
    return loader


class Beginning(Stopping):
    """START=<ranks>: SIGTERM to ourselves in these processes while a stage is set up for its first step."""

    def train_batches(self, batches: Any, epoch: int) -> Any:
        if self.trainer is not None and epoch == 0 and str(rank()) in os.environ.get("START", ""):
            os.kill(os.getpid(), signal.SIGTERM)
        return super().train_batches(batches, epoch)


class Clinging(Quadrants):
    """At its process's exit waits for all others of the group, as Lightning's hook does where NCCL connects them."""

    def __init__(self, **values: Any) -> None:
        super().__init__(**values)
        atexit.register(lambda: dist.is_initialized() and dist.barrier())


class Unbroadcast(Quadrants):
    """Whoever broadcasts while the steps of an epoch are made is found out at its end."""

    def train_batches(self, batches: Any, epoch: int) -> Any:
        loader = super().train_batches(batches, epoch)
        deliver, broadcast = loader.deliver, dist.broadcast

        def watched(batches: Any) -> Any:
            calls: list[Any] = []
            dist.broadcast = lambda *given, **named: calls.append(broadcast(*given, **named))
            yield from deliver(batches)
            dist.broadcast = broadcast
            assert not calls, f"{len(calls)} broadcasts in {len(loader)} steps"

        loader.deliver = watched
        return loader


class Raising(L1):
    """Breaks in the middle of its stage's second epoch."""

    needs_training = True

    def settle(self, network: nn.Module) -> None:
        self.steps = getattr(self, "steps", 0) + 1
        if self.steps == 6:
            raise RuntimeError("a callback broke")


class Between(FCF):
    """SIGUSR1 to ourselves between the two updates of step 60: gates moved, duals not yet."""

    def settle(self, network: nn.Module) -> None:
        if int(os.environ.get("BETWEEN", "-1")) == self.settled(network):
            os.kill(os.getpid(), signal.SIGUSR1)
        super().settle(network)

    def settled(self, network: nn.Module) -> int:
        """Steps so far: the penalty has grown once for each."""
        return round(math.log(self.box(network).rho.item() / self.schedule.rho) / math.log(self.box(network).mu))


class Validating(Quadrants):
    """SIGTERM to ourselves when images are evaluated for the EVALUATION-th time, or read for the READING-th."""

    evaluations = readings = 0

    def read(self) -> Any:
        self.readings += 1
        if self.readings == int(os.environ.get("READING", "0")):
            os.kill(os.getpid(), signal.SIGTERM)
        return super().read()

    def plain_batches(self, part: str, batches: Any) -> Any:
        loader = super().plain_batches(part, batches)
        deliver = loader.deliver

        def send(asked: Any) -> Any:
            self.evaluations += 1
            if self.evaluations == int(os.environ.get("EVALUATION", "0")):
                os.kill(os.getpid(), signal.SIGTERM)
            yield from deliver(asked)

        loader.deliver = send
        return loader

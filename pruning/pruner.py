"""A method at work on a network, from its gates to the small network and its certificate: for any loop of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import chain, islice
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pruning.arguments import key
from pruning.batches import Batches, describe, split_batch, take_images
from pruning.graph.attachments import duplicate
from pruning.graph.graph import Graph, trace
from pruning.graph.inputs import Batch, Shapes, is_single, move, random_batch
from pruning.graph.liveness import analyse
from pruning.graph.tracing import float_type
from pruning.methods.base import Loss, PruningMethod
from pruning.pruned import Pruned, report_cut
from pruning.repair.names import IMAGES, NONE, needs_images, repair_names
from pruning.repair.registry import repair_network
from pruning.selection import Selection
from pruning.surgery import certify
from pruning.surgery.compact import build_small
from pruning.surgery.mask import silence

CERTIFIED = 2  # images of a certificate, where none are given


class Pruner:
    """A network with a method on it, in place.

        pruner = pruning.attach(model, example, "fcf", steps=len(loader) * 5, macs=0.5)
        for images, labels in loader:
            optimizer.zero_grad()
            loss(model(images), labels).backward()
            pruner.after_backward()
            optimizer.step()
            pruner.after_step()
        small = pruner.finish()

    Args:
        network: plain; the method's gates, if it has any, are on it from now on.
        method: what decides.
        image_shape: (channels, height, width), or what `pruning.graph.inputs` says of others.
        steps: of the optimiser until `finish`; 0 for a method that decides at once.

    Raises:
        ValueError: the network cannot be traced, the budget cannot be met on it, or the steps are too few.
    """

    def __init__(self, network: nn.Module, method: PruningMethod, image_shape: Shapes, steps: int) -> None:
        self.network, self.method, self.image_shape, self.epoch = network, method, image_shape, 0
        method.begin_stage(network, image_shape, steps)

    def after_backward(self) -> None:
        """To be called between `backward` and the optimiser's step, gradients whole and unscaled."""
        self.method.steer(self.network)

    def after_step(self) -> None:
        """To be called after each step of the optimiser."""
        self.method.settle(self.network)

    def after_epoch(self) -> None:
        """To be called after each epoch; only a few methods do something then."""
        self.method.end_epoch(self.network, self.epoch)
        self.epoch += 1

    def observe(self, batches: Batches, loss: Callable[[Any, Any], Tensor] = F.cross_entropy) -> None:
        """Show the method what its scores are made of, just before `finish`; the network stays as it is.

        Args:
            batches: of images, or of (images, labels).
            loss: of the network's outputs and the labels.

        Raises:
            ValueError: the method asks for a loss, and there are no labels; there is no batch.
        """
        device, remaining = device_of(self.network), iter(batches)
        first = list(islice(remaining, 1))
        if not first:
            raise ValueError(f"{self.method} scores by data=, which has no batch (left): give a list")
        pairs = (split_batch(batch, self.image_shape) for batch in chain(first, remaining))
        shown = ((move(inputs, device), self.loss_of(labels, loss, device)) for inputs, labels in pairs)
        self.method.observe_batches(self.network, shown)

    def loss_of(self, labels: Any, loss: Callable[[Any, Any], Tensor], device: torch.device) -> Loss:
        """The loss of a batch, as a function of the network's outputs."""

        def of_outputs(outputs: Any) -> Tensor:
            if labels is None:
                raise ValueError(f"{self.method} needs labels: let data= give (images, labels)")
            if loss is F.cross_entropy and not isinstance(outputs, Tensor):
                got = f"the network gives {describe(outputs)}, of which cross-entropy takes one tensor"
                raise ValueError(f"{got}: give loss=, a function of outputs and labels")
            return loss(outputs, move(labels, device))

        return of_outputs

    def finish(
        self, images: Batch | None = None, repair: str | Sequence[str] = NONE, data: Batches | None = None
    ) -> Pruned:
        """Decide, take the gates off, build the small network, prove it on `images` (None: random ones), and repair it.

        The network is plain again, at full size, as it was trained. Small and full-size network share no tensor.

        Args:
            repair, data: as in `pruning.prune`; the certificate is of the network before it.

        Raises:
            ValueError: no small form exists, or it computes something else than the masked network; the repair cannot
                be done, and the gates are still on.
        """
        names = repair_names(repair)
        calibration = self.calibration(data) if needs_images(names) else None
        choice = self.method.select(self.network)
        verdicts = self.method.exclusion_reasons()
        self.method.detach(self.network)
        given = random_batch(self.image_shape, CERTIFIED, float_type(self.network)) if images is None else images
        pruned = self.cut(choice, verdicts, self.on_device(given))
        return self.mend(pruned, names, calibration) if names else pruned

    def calibration(self, data: Batches | None) -> Tensor:
        """What a repair looks at; ValueError where there is nothing, or more than images."""
        if not is_single(self.image_shape):
            raise ValueError(
                f"{key('repair')}: bn and ls mend networks of one input, got {self.image_shape}: take merge"
            )
        return self.on_device(calibration_images(() if data is None else data, self.image_shape))

    def on_device(self, batch: Batch) -> Batch:
        return move(batch, device_of(self.network), float_type(self.network))

    def cut(self, choice: Selection, verdicts: dict[str, str | None], images: Batch) -> Pruned:
        """The small network of a choice, with its report."""
        graph = self.plain_graph()
        before, after = analyse(graph, Selection({})), analyse(graph, choice)
        small, masked = build_small(self.network, after), duplicate(self.network)
        silence(masked, after)
        report = report_cut(self.network, small, before, after, verdicts, certify(masked, small, images))
        if self.method.budget is not None:
            remarks = self.method.budget.describe_result(self.network, small, self.image_shape)
            report = replace(report, remarks=remarks)
        return Pruned(small, choice, None, self.image_shape, report=report)

    def mend(self, pruned: Pruned, repairs: Sequence[str], images: Tensor | None) -> Pruned:
        """The same cut, repaired; the report goes on about the cut, and says what was mended."""
        after = analyse(self.plain_graph(), pruned.selection)
        small, done = repair_network(self.network, after, repairs, images)
        report = pruned.report and replace(pruned.report, repairs=done)
        return replace(pruned, network=small, report=report)

    def plain_graph(self) -> Graph:
        return self.method.graph or trace(self.network, self.image_shape)


def calibration_images(batches: Batches, image_shape: Shapes) -> Tensor:
    """The first of some batches, without labels, IMAGES of them at most."""
    images = take_images((split_batch(batch, image_shape)[0] for batch in batches), IMAGES)
    if images is None:
        raise ValueError(f"{key('repair')}: bn and ls look at images: give data=, batches of images (no labels needed)")
    return images


def device_of(network: nn.Module) -> torch.device:
    return next((parameter.device for parameter in network.parameters()), torch.device("cpu"))

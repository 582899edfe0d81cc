"""What a network is trained for: logits, labels and images in, one loss out."""

import copy
import inspect
from collections.abc import Callable
from typing import Protocol, final, runtime_checkable

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

Logits = Float[Tensor, "batch classes"]
Labels = Int[Tensor, " batch"]
Images = Float[Tensor, "batch channels height width"]
Loss = Float[Tensor, ""]


@runtime_checkable
class Objective(Protocol):
    teacher: nn.Module | None

    def __call__(self, logits: Logits, labels: Labels, images: Images) -> Loss: ...

    def taught_by(self, dense: nn.Module) -> "Objective":
        """The objective with `dense` as its teacher, if it has one."""

    def to(self, device: torch.device) -> "Objective":
        """Moves the teacher, which no module owns."""


@final
class CrossEntropy:
    teacher: nn.Module | None = None

    def __call__(self, logits: Logits, labels: Labels, images: Images) -> Loss:
        return F.cross_entropy(logits, labels)

    def taught_by(self, dense: nn.Module) -> "CrossEntropy":
        return self

    def to(self, device: torch.device) -> "CrossEntropy":
        return self


@final
class Distillation:
    """(1 - weight) CE + weight T^2 KL(teacher_T || student_T) (Hinton et al. 2015).

    Not a module on purpose: the teacher stays out of the student's parameters, state dict, train() and checkpoint.
    """

    def __init__(self, temperature: float = 4.0, weight: float = 0.7, teacher: nn.Module | None = None) -> None:
        if temperature <= 0:
            raise ValueError(f"objective.temperature must be above 0, got {temperature:g}")
        if not 0 <= weight <= 1:
            raise ValueError(
                f"objective.weight must lie in [0, 1], got {weight:g}: it is the teacher's share of the loss"
            )
        self.temperature, self.weight, self.teacher = temperature, weight, teacher

    def taught_by(self, dense: nn.Module) -> "Distillation":
        if self.weight == 0:  # nobody would listen
            return self
        return Distillation(self.temperature, self.weight, copy.deepcopy(dense).eval().requires_grad_(False))

    def to(self, device: torch.device) -> "Distillation":
        if self.teacher is not None:
            self.teacher.to(device)
        return self

    def __call__(self, logits: Logits, labels: Labels, images: Images) -> Loss:
        cross_entropy = F.cross_entropy(logits, labels)
        if self.weight == 0:  # cross-entropy bit for bit, and no forward of the teacher
            return cross_entropy
        return (1 - self.weight) * cross_entropy + self.weight * self.distillation_loss(logits, images)

    def distillation_loss(self, logits: Logits, images: Images) -> Loss:
        if self.teacher is None:
            raise ValueError("objective=distillation has no teacher yet: call taught_by(dense)")
        with torch.no_grad():
            teacher_logits = self.teacher(images)
        student = F.log_softmax(logits.float() / self.temperature, dim=1)
        teacher = F.log_softmax(teacher_logits.float() / self.temperature, dim=1)
        return self.temperature**2 * F.kl_div(student, teacher, reduction="batchmean", log_target=True)


@final
class OwnLoss:
    """A loss without a teacher, called with (logits, labels, images), or with (logits, labels) as torch's are."""

    teacher: nn.Module | None = None

    def __init__(self, loss: Callable[..., object], takes_images: bool) -> None:
        self.loss, self.takes_images = loss, takes_images

    def __call__(self, logits: Logits, labels: Labels, images: Images) -> Loss:
        loss = self.loss(logits, labels, images) if self.takes_images else self.loss(logits, labels)
        if not isinstance(loss, Tensor) or loss.ndim:
            kind = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            raise ValueError(
                f"objective: {type(self.loss).__name__} gives {kind}: one number is needed, the batch's mean"
            )
        return loss

    def taught_by(self, dense: nn.Module) -> "OwnLoss":
        return self

    def to(self, device: torch.device) -> "OwnLoss":
        if isinstance(self.loss, nn.Module):
            self.loss.to(device)
        return self


def as_objective(made: object) -> Objective:
    """An objective as it is, any other loss as one.

    Raises:
        ValueError: it cannot be called so, or has weights to learn, which no optimiser would have.
    """
    if isinstance(made, Objective):
        return made
    name = type(made).__name__
    if not callable(made):
        raise ValueError(f"objective: a {name} is no loss: an object is needed that is called with (logits, labels)")
    if isinstance(made, nn.Module) and next(made.parameters(), None) is not None:
        raise ValueError(f"objective: {name} has weights to learn, and the optimiser has the network's alone")
    return OwnLoss(made, takes_images(made))


def takes_images(loss: Callable[..., object]) -> bool:
    """Whether a third argument is asked for, or one of that name."""
    called = loss.forward if isinstance(loss, nn.Module) else loss
    parameters = list(inspect.signature(called).parameters.values())
    required = [
        p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
    ]
    return len(required) == 3 or any(parameter.name == "images" for parameter in parameters[2:3])

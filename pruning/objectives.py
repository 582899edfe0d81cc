"""What a network is trained for: logits, labels and images in, one loss out."""

import copy
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

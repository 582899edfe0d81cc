"""Fine-tuning of what is left: small, or at full size under the mask, where a small form trains slowly."""

from dataclasses import replace

from torch import nn

from experiments.run.context import RunContext
from experiments.run.stages import StageResult, StageSpec, train
from pruning.methods.masked import Masked
from pruning.selection import Selection
from pruning.surgery import compact
from pruning.surgery.expand import FullSize


def tune(context: RunContext, start: StageResult, plain: nn.Module, choice: Selection, spec: StageSpec) -> StageResult:
    """`start`: the small network of this choice of `plain`, which is of full size. The result is small either way."""
    if not context.method.tunes_masked:
        return train(context, start, spec)
    masked = FullSize(plain, choice, start.network, context.image_shape).expand(start.network)
    tuned = train(context, replace(start, network=masked), replace(spec, method=Masked(choice)))
    return replace(tuned, network=compact(tuned.network, choice, context.image_shape))

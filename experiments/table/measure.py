"""A network on the test set, and what it costs."""

from torch import nn

from experiments.evaluate import measure
from experiments.evaluate.answers import Answers
from experiments.records.cells import Measured
from experiments.run.context import RunContext
from pruning.graph.cost import count_macs, count_params


def answer(context: RunContext, network: nn.Module) -> Answers:
    return measure.answers(network, context.data.test_dataloader(), context.device)


def measure_cell(context: RunContext, network: nn.Module, dense: Answers) -> Measured:
    found = answer(context, network)
    costs = count_macs(network, context.image_shape), count_params(network)
    return Measured(*costs, accuracy=found.accuracy, nll=found.mean_nll, flips=found.flips(dense))

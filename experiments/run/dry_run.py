"""All that a run will do, once and small, before anything is trained: what cannot work costs seconds, not a stage.

Copies of the run's network, random images, random norm statistics; no number of the run moves. How much is tried
follows from the network's size and never from a clock, so that a run is refused everywhere or nowhere.
"""

import copy
import os
import traceback
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import torch
from torch import Tensor, fx, nn

from experiments.config.schema import Stage
from experiments.run.context import PlanContext, RunContext
from experiments.run.rounds import refuse_rounds
from experiments.run.selection import cross_entropy, needs_batches
from experiments.system.console import log
from pruning.dry_run import (
    check_logits,
    check_logits_follow_images,
    check_output,
    fork_rng,
    has_running_statistics,
    random_images,
    randomise_norms,
)
from pruning.graph.cost import count_macs
from pruning.graph.graph import trace
from pruning.methods.base import PruningMethod
from pruning.methods.dense.callback import Dense
from pruning.objectives import CrossEntropy, Objective
from pruning.repair.names import needs_images
from pruning.selection import Selection
from pruning.surgery import compact, mask
from pruning.surgery.certificate import check_equal, logits_of_both
from pruning.training.task import ClassificationTask

TORCH = os.path.join(os.path.dirname(torch.__file__), "")
# Multiply-adds, so that all takes 10 s at most on one core
DOUBLE_MOST = 100e6  # of an image: up to here both networks are compared in double precision
STEPS_MOST = 5e9  # of an image: up to here a training step is made in each stage
FORWARD_MOST = 180e9  # of all images that go through a network, at 18 G a second: up to here networks are run at all
NO_METHOD = Dense()  # does nothing to a step


def refuse_unfit(context: PlanContext) -> None:
    """What a network and data can be refused for without any arithmetic; plan=true, too."""
    classes = len(context.data.classes)
    if classes < 2:
        raise ValueError(f"the data has {classes} class: there is nothing to tell apart; two or more are needed")
    trains = any(stage.epochs for stage in context.recipes.values())
    if trains and not any(parameter.requires_grad for parameter in context.network.parameters()):
        raise ValueError(
            f"all weights of {type(context.network).__name__} are frozen (requires_grad=False): nothing can be trained"
        )
    refuse_few_images(context, context.settings.repair.steps)
    refuse_few_observed(context, context.method)
    if context.settings.deploy.precision is not None:
        refuse_more_than_training(context, "deploy.images", context.settings.deploy.images)
    refuse_rounds(context)
    with fork_rng():
        check_output(context.network, context.image_shape, classes)


def refuse_few_images(context: PlanContext, repairs: Sequence[str]) -> None:
    """Raises ValueError where a repair is to look at more images than training has."""
    if needs_images(repairs):
        refuse_more_than_training(context, "repair.images", context.settings.repair.images)


def refuse_few_observed(context: PlanContext, method: PruningMethod) -> None:
    """Raises ValueError where a method is to look at more images than training has."""
    if needs_batches(method):
        refuse_more_than_training(context, "observe.images", context.settings.observe.images)


def refuse_more_than_training(context: PlanContext, key: str, images: int) -> None:
    if images > (most := context.data.sizes["train"]):
        raise ValueError(f"{key}={images} is more than the {most} training images: set {key}={most} or fewer")


def dry_run(context: RunContext) -> None:
    """Raises ValueError for whatever would fail once the dense network is trained."""
    with fork_rng(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what a stage has to say is said when it comes
        run_once(context)


def run_once(context: RunContext) -> None:
    graph = trace(context.network, context.image_shape)
    macs = count_macs(context.network, context.image_shape)
    forward, steps = macs * images_run(context.network) <= FORWARD_MOST, macs <= STEPS_MOST
    log_skipped(macs, forward, steps)
    if steps and context.recipes["baseline"].epochs and not context.trained:
        train_step(context, copy.deepcopy(context.network), "baseline", CrossEntropy())
    if forward:
        check_dense(context)
    plain, choice = choose_filters(context, steps)
    if forward:
        randomise(context, plain)
    small = compact(plain, choice, context.image_shape, graph)
    if forward:
        check_compact(context, mask(plain, choice, context.image_shape, graph), small, double=macs <= DOUBLE_MOST)
    if steps and context.recipes["finetune"].epochs:
        train_step(context, small, "finetune", context.objective.taught_by(plain))


def images_run(network: nn.Module) -> int:
    """Two: twice as they are, once masked, once small; where norms keep statistics, twice more in training."""
    return 2 * (6 if has_running_statistics(network) else 4)


def log_skipped(macs: int, forward: bool, steps: bool) -> None:
    if not steps:
        skipped = "a training step" if forward else "running the networks"
        log(f"dry run without {skipped}: {macs / 1e9:.1f} G multiply-adds an image would take too long", "yellow")


def check_dense(context: RunContext) -> None:
    network = copy.deepcopy(context.network)
    randomise(context, network)
    with name_failures("running", context):
        check_logits_follow_images(network, random_images(network, context.image_shape), len(context.data.classes))


def randomise(context: RunContext, network: nn.Module) -> None:
    with name_failures("running", context):
        randomise_norms(network, random_images(network, context.image_shape))


def choose_filters(context: RunContext, steps: bool) -> tuple[nn.Module, Selection]:
    """A plain copy of the network, and the method's choice on it: where it learns, with gates at random."""
    network, method = copy.deepcopy(context.network), context.method
    weights = set(network.parameters())
    method.begin_stage(network, context.image_shape, context.steps("prune"))
    if method.needs_training and steps:
        train_step(context, network, "prune", CrossEntropy(), method)
    if needs_batches(method) and steps:
        observe_once(context, network)
    perturb_gates(gate for gate in network.parameters() if gate not in weights)
    choice = method.select(network) if steps or not needs_batches(method) else method.preview(network)
    method.detach(network)
    return network, choice


def observe_once(context: RunContext, network: nn.Module) -> None:
    """Random images, as if they were of some classes."""
    images = random_images(network, context.image_shape)
    loss = cross_entropy(images, torch.arange(len(images)) % len(context.data.classes))
    with name_failures("observing", context):
        context.method.observe_batches(network, [(images, loss)])


@torch.no_grad()
def perturb_gates(gates: Iterable[nn.Parameter]) -> None:
    """Gates that all stand where they began would choose by index."""
    for gate in gates:
        gate.add_(torch.randn_like(gate), alpha=0.1)


def check_compact(context: RunContext, masked: nn.Module, small: fx.GraphModule, double: bool) -> None:
    """The certificate's promise, before there is anything to certify."""
    with name_failures("running", context):
        expected, actual = answers_of_both(masked, small, random_images(masked, context.image_shape), double)
    if expected.isfinite().all() and expected.any():
        check_equal(expected, actual)


def answers_of_both(masked: nn.Module, small: fx.GraphModule, images: Tensor, double: bool) -> tuple[Tensor, Tensor]:
    if double:
        with suppress(RuntimeError):  # some networks make tensors in single precision, whatever their weights are
            return logits_of_both(copy.deepcopy(masked).double(), copy.deepcopy(small).double(), images)
    return logits_of_both(masked, small, images)


def train_step(
    context: RunContext, network: nn.Module, recipe: str, objective: Objective, method: PruningMethod = NO_METHOD
) -> None:
    """One, as the stage would make it, on as few images as one of its batches may have."""
    count = min(2, context.settings.recipe.batch // context.processes)
    classes = len(context.data.classes)
    with name_failures(f"a training step of stage {recipe} by", context):
        images, labels = random_images(network, context.image_shape, count), torch.arange(count) % classes
        logits = network.train()(images)
        check_logits(logits, (count, classes), network)
        loss = objective(logits, labels, images)
        if not torch.isfinite(loss):
            raise ValueError(f"the first loss of stage {recipe} is {loss.item():g}: no training can begin with it")
        if not loss.requires_grad:
            raise ValueError(f"the loss of stage {recipe} has no gradient: compute it from the logits by torch alone")
        loss.backward()
        optimiser_step(context, network, context.recipes[recipe], objective, method)


def optimiser_step(
    context: RunContext, network: nn.Module, recipe: Stage, objective: Objective, method: PruningMethod
) -> None:
    """The optimiser's step between the method's two verbs."""
    classes, settings = len(context.data.classes), context.settings
    task = ClassificationTask(
        network, objective, recipe, classes, context.image_shape, settings.seed, settings.recipe.optimizer
    )
    method.steer(network)
    task.make_optimiser().step()
    method.settle(network)


@contextmanager
def name_failures(action: str, context: RunContext) -> Iterator[None]:
    """Whatever the network's own code raises is said in a line, with the place."""
    try:
        yield
    except ValueError as error:
        if is_own_check(error):
            raise
        raise ValueError(describe_failure(action, context, error)) from error
    except Exception as error:
        raise ValueError(describe_failure(action, context, error)) from error


def is_own_check(error: Exception) -> bool:
    """By a check of ours, whose words are for the user already."""
    return not is_torch_frame(traceback.extract_tb(error.__traceback__)[-1])


def is_torch_frame(frame: traceback.FrameSummary) -> bool:
    return frame.filename.startswith(TORCH)


def describe_failure(action: str, context: RunContext, error: Exception) -> str:
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not is_torch_frame(frame)]
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "torch"
    message = (str(error).splitlines() or [""])[0]
    return (
        f"{action} {type(context.network).__name__} on random images of {context.image_shape} fails at {where}: "
        f"{type(error).__name__}: {message}"
    )

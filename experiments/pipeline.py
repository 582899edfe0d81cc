"""The experiment, top to bottom. No stage changes what an earlier one made."""

import copy
from collections.abc import Sequence
from dataclasses import replace

from lightning.pytorch.loggers import Logger

from experiments import asked_again
from experiments.cli import summary
from experiments.config.refusal import refusals
from experiments.config.schema import Settings
from experiments.config.typed_overrides import command
from experiments.evaluate import measure
from experiments.evaluate.artifacts import save
from experiments.evaluate.outputs import Cut, StageOutputs, measure_gates, read_finished, write_record
from experiments.records import jobs, status
from experiments.records.record import Record
from experiments.run.context import RunContext
from experiments.run.failures import explain_failures, running
from experiments.run.prepare import prepare
from experiments.run.repair import repair
from experiments.run.rounds import method_of_round, plan_rounds, to_full_size
from experiments.run.run_name import check_name_is_free
from experiments.run.selection import select
from experiments.run.stage_plan import describe_stages
from experiments.run.stages import StageResult, StageSpec, train, train_baseline
from experiments.run.tuning import tune
from experiments.system.activity import activity
from experiments.system.console import log
from experiments.system.locks import hold_lock
from experiments.tracking.loggers import build_loggers
from experiments.tracking.tracker import track
from experiments.trainer import ranks
from pruning.graph.graph import trace
from pruning.models import initialise
from pruning.objectives import CrossEntropy, Objective
from pruning.surgery import certify, compact, mask
from pruning.surgery.expand import FullSize


def run(settings: Settings) -> Record | None:
    """The record; None in a further process of the same run."""
    with refusals():
        context = prepare(settings)
        check_name_is_free(context.folder)
        loggers = build_loggers(settings.tracking.loggers, context.folder) if ranks.is_rank_zero() else []
    with running(context):
        if ranks.is_rank_zero():
            return run_rank_zero(context, loggers)
        run_worker(context)
        return None


def run_rank_zero(context: RunContext, loggers: Sequence[Logger]) -> Record:
    with hold_lock(context.folder, ranks.broadcast_wait):
        jobs.announce_run(context.folder)
        finished = read_finished(context)
        ranks.broadcast(finished is None)
        if finished is None:
            log(f"{context.folder}: {describe_stages(context)}")
        status_file = status.keep_status(context.folder, describe_run(context), anew=finished is None)
        with status_file, track(context, loggers, finished is not None) as tracker, explain_failures(context):
            tracked = replace(context, tracker=tracker)
            tracker.record = record = finished or write_outputs(tracked, experiment(tracked))
    activity.end()
    summary.show(record, context.folder)
    return record


def run_worker(context: RunContext) -> None:
    """Another process of the same run: it trains beside the first, and decides, measures and writes nothing."""
    if ranks.receive_decision():
        experiment(context)


def describe_run(context: RunContext) -> status.Run:
    settings, choice = context.settings, context.settings.choice
    names = {"method": choice.method, "model": choice.model, "data": choice.data}
    identity = asked_again.identify(settings)
    return status.Run(
        command(),
        settings.name,
        **names,
        ratio=settings.ratio,
        seed=settings.seed,
        digest=context.digest,
        identity=identity,
    )


def write_outputs(context: RunContext, outputs: StageOutputs) -> Record:
    activity.begin("measuring accuracy, costs and times")
    form = measure.choose_form(outputs.cut.small, context.method.form, context.probe, context.device)
    record = write_record(context, outputs, form)
    activity.begin("saving the network")
    save(context, outputs.cut.tuned.network, outputs.cut.choice, form)
    return record


def experiment(context: RunContext) -> StageOutputs:
    dense, rounds = train_baseline(context), list[Cut]()
    objective = context.objective.taught_by(dense.network)
    for left, stages in zip(range(context.settings.rounds, 0, -1), plan_rounds(context), strict=True):
        rounds.append(prune(context, dense, rounds[-1] if rounds else None, left, *stages, objective))
    cut, spec = rounds[-1], StageSpec("finetune", "finetune", objective)
    small = replace(cut.learned, network=cut.small)
    scratch = train_from_scratch(context, small, spec) if context.settings.control else None
    ranks.end_group()  # what is left is the first process's work, and may last
    return StageOutputs(dense, tuple(rounds), scratch)


def prune(
    context: RunContext,
    dense: StageResult,
    before: Cut | None,
    left: int,
    prune_stage: str,
    tune_stage: str,
    objective: Objective,
) -> Cut:
    """Learn, choose, remove, mend, fine-tune: one round. `before`: the one before, if there was one; `left`: how many
    there are from this one on."""
    start, shape = before.tuned if before else dense, context.image_shape
    full_size = FullSize(context.network, before.choice, start.network, shape) if before else None
    method = method_of_round(context.method, left, before.method if before else None, full_size)
    learned = train(context, start, StageSpec(prune_stage, prune_stage, CrossEntropy(), method=method))
    activity.begin("choosing filters and removing them")
    chosen = select(context, method, learned.network)
    gates = measure_gates(context, method, learned.network)
    method.detach(learned.network)  # ours alone, and torch cannot detach a copy: copies share their class
    plain, choice = to_full_size(full_size, learned.network, chosen.selection)
    graph = trace(plain, shape)
    small = compact(plain, choice, shape, graph)
    certificate = certify(mask(plain, choice, shape, graph), small, context.probe)
    activity.begin("repairing what is left")
    repaired = repair(context, plain, choice)
    mended = small if repaired is None else repaired.network
    spec = StageSpec(tune_stage, tune_stage, objective)
    tuned = tune(context, replace(learned, network=mended), plain, choice, spec)
    return Cut(method, learned, choice, chosen.seconds, gates, small, certificate, repaired, tuned)


def train_from_scratch(context: RunContext, small: StageResult, spec: StageSpec) -> StageResult:
    """The pruned shape with fresh weights, by the baseline's recipe and then by fine-tuning's."""
    fresh = initialise(copy.deepcopy(small.network), context.settings.seed)
    trained = train(context, replace(small, network=fresh, stages=()), StageSpec("scratch", "baseline", CrossEntropy()))
    return train(context, trained, replace(spec, stage="scratch_tune"))

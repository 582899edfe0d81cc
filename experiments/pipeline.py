"""The experiment, top to bottom. No stage changes what an earlier one made."""

import copy
from dataclasses import replace

from experiments.cli import summary
from experiments.config.refusal import refusals
from experiments.config.schema import Settings
from experiments.config.typed_overrides import command
from experiments.evaluate import measure
from experiments.evaluate.artifacts import save
from experiments.evaluate.outputs import StageOutputs, measure_gates, read_finished, write_record
from experiments.records import jobs, status
from experiments.records.record import Record
from experiments.run.context import RunContext
from experiments.run.failures import explain_failures, running
from experiments.run.prepare import prepare
from experiments.run.repair import repair
from experiments.run.run_name import check_name_is_free
from experiments.run.selection import select
from experiments.run.stages import StageResult, StageSpec, train, train_baseline
from experiments.system.locks import hold_lock
from experiments.tracking.tracker import track
from experiments.trainer import ranks
from pruning.models import initialise
from pruning.objectives import CrossEntropy
from pruning.surgery import certify, compact, mask


def run(settings: Settings) -> Record | None:
    """The record; None in a further process of the same run."""
    with refusals():
        context = prepare(settings)
        check_name_is_free(context.folder)
    with running(context):
        if ranks.is_rank_zero():
            return run_rank_zero(context)
        run_worker(context)
        return None


def run_rank_zero(context: RunContext) -> Record:
    with hold_lock(context.folder, ranks.broadcast_wait):
        jobs.announce_run(context.folder)
        finished = read_finished(context)
        ranks.broadcast(finished is None)
        status_file = status.keep_status(context.folder, describe_run(context), anew=finished is None)
        with status_file, track(context) as tracker, explain_failures(context):
            tracked = replace(context, tracker=tracker)
            tracker.record = record = finished or write_outputs(tracked, experiment(tracked))
    summary.show(record, context.folder)
    return record


def run_worker(context: RunContext) -> None:
    """Another process of the same run: it trains beside the first, and decides, measures and writes nothing."""
    if ranks.receive_decision():
        experiment(context)


def describe_run(context: RunContext) -> status.Run:
    settings, choice = context.settings, context.settings.choice
    names = {"method": choice.method, "model": choice.model, "data": choice.data}
    return status.Run(
        command(), settings.name, **names, ratio=settings.ratio, seed=settings.seed, digest=context.digest
    )


def write_outputs(context: RunContext, outputs: StageOutputs) -> Record:
    form = measure.choose_form(outputs.small, context.method.form, context.probe, context.device)
    record = write_record(context, outputs, form)
    save(context, outputs.tuned.network, outputs.chosen.selection, form)
    return record


def experiment(context: RunContext) -> StageOutputs:
    dense = train_baseline(context)
    learned = train(context, dense, StageSpec("prune", "prune", CrossEntropy(), method=context.method))
    chosen = select(context, learned.network)
    choice = chosen.selection
    gates = measure_gates(context, learned.network)
    context.method.detach(learned.network)  # ours alone, and torch cannot detach a copy: copies share their class
    small = compact(learned.network, choice, context.image_shape)
    certificate = certify(mask(learned.network, choice, context.image_shape), small, context.probe)
    repaired = repair(context, learned.network, choice)
    start = small if repaired is None else repaired.network
    spec = StageSpec("finetune", "finetune", context.objective.taught_by(dense.network))
    tuned = train(context, replace(learned, network=start), spec)
    scratch = train_from_scratch(context, replace(learned, network=small), spec) if context.settings.control else None
    ranks.end_group()  # what is left is the first process's work, and may last
    return StageOutputs(dense, chosen, gates, small, certificate, repaired, tuned, scratch)


def train_from_scratch(context: RunContext, small: StageResult, spec: StageSpec) -> StageResult:
    """The pruned shape with fresh weights, by the baseline's recipe and then by fine-tuning's."""
    fresh = initialise(copy.deepcopy(small.network), context.settings.seed)
    trained = train(context, replace(small, network=fresh, stages=()), StageSpec("scratch", "baseline", CrossEntropy()))
    return train(context, trained, replace(spec, stage="scratch_tune"))

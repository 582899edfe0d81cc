"""The experiment, top to bottom. No stage changes what an earlier one made."""

import copy
from dataclasses import replace

from omegaconf import DictConfig

from datamodules.decode import BrokenImageError
from experiments import plan
from experiments.cli import summary
from experiments.config.refusal import refusals
from experiments.config.typed import command
from experiments.evaluate import measure
from experiments.evaluate.keep import keep
from experiments.evaluate.results import Results, finished, gates_as_they_are, to_record
from experiments.records import jobs as sweeps
from experiments.records import status
from experiments.records.record import Record
from experiments.run import named
from experiments.run.bench import Bench
from experiments.run.explained import FailedError, explained
from experiments.run.prepare import prepare
from experiments.run.stages import Lesson, Trained, train
from experiments.sensitivity import sensitivity
from experiments.system import preemption
from experiments.system.locks import held
from experiments.tracking.tracker import tracked
from experiments.trainer import ranks
from pruning.models import initialise
from pruning.objectives import CrossEntropy
from pruning.surgery import certify, compact, mask


def run(config: DictConfig) -> Record | None:
    with refusals():
        bench = prepare(config)
        if bench.settings.plan:
            plan.show(bench)
            return None
        named.refuse_another(bench.folder)
    preemption.request.keeps = bench.store.keeps
    with refusals((BrokenImageError, FailedError)), ranks.gathered(bench.machine):
        if bench.settings.sensitivity:
            dense = baseline(bench)
            if ranks.end_group():
                sensitivity(bench, dense)
            return None
        if ranks.leads():
            return lead(bench)
        follow(bench)
        return None


def lead(bench: Bench) -> Record:
    with held(bench.folder, ranks.tell_to_wait):
        sweeps.announce(bench.folder)
        found = finished(bench)
        ranks.told(found is None)
        with status.kept(bench.folder, described(bench), anew=found is None), tracked(bench) as records:
            with explained(bench):
                record = found or written(bench, experiment(bench))
            records.append(record)
    summary.show(record, bench.folder)
    return record


def follow(bench: Bench) -> None:
    """Another process of the same run: it trains beside the first, and decides, measures and writes nothing."""
    if ranks.hear_decision():
        experiment(bench)


def described(bench: Bench) -> status.Run:
    settings, choice = bench.settings, bench.settings.choice
    names = {"method": choice.method, "model": choice.model, "data": choice.data}
    return status.Run(command(), settings.name, **names, ratio=settings.ratio, seed=settings.seed, digest=bench.digest)


def written(bench: Bench, made: Results) -> Record:
    form = measure.form(made.small, bench.method.form, bench.probe, bench.device)
    record = to_record(bench, made, form)
    keep(bench, made.tuned.network, made.choice, form)
    return record


def experiment(bench: Bench) -> Results:
    dense = baseline(bench)
    learned = train(bench, dense, Lesson("prune", "prune", CrossEntropy(), method=bench.method))
    choice = ranks.agreed(bench.method.select(learned.network))
    gates = gates_as_they_are(bench, learned.network)
    bench.method.detach(learned.network)  # ours alone, and torch cannot detach a copy: copies share their class
    small = compact(learned.network, choice, bench.image_shape)
    certificate = certify(mask(learned.network, choice, bench.image_shape), small, bench.probe)
    lesson = Lesson("finetune", "finetune", bench.objective.taught_by(dense.network))
    tuned = train(bench, replace(learned, network=small), lesson)
    scratch = from_scratch(bench, replace(learned, network=small), lesson) if bench.settings.control else None
    ranks.end_group()  # what is left is the first process's work, and may last
    return Results(dense, choice, gates, small, certificate, tuned, scratch)


def baseline(bench: Bench) -> Trained:
    if bench.baseline_digest is not None:
        return Trained(bench.network, bench.baseline_digest)
    return train(bench, Trained(bench.network, ""), Lesson("baseline", "baseline", CrossEntropy()))


def from_scratch(bench: Bench, small: Trained, lesson: Lesson) -> Trained:
    """The pruned shape with fresh weights, by the baseline's recipe and then by fine-tuning's."""
    fresh = initialise(copy.deepcopy(small.network), bench.settings.seed)
    trained = train(bench, replace(small, network=fresh, stages=()), Lesson("scratch", "baseline", CrossEntropy()))
    return train(bench, trained, replace(lesson, stage="scratch_tune"))

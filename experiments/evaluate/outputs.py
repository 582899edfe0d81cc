"""What an experiment made, measured once and written down: the record."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from torch import nn

from experiments.config.digest import libraries
from experiments.config.modified import modifications
from experiments.config.node import plain
from experiments.config.typed_overrides import command
from experiments.evaluate import measure
from experiments.evaluate.answers import Answers
from experiments.evaluate.artifacts import NETWORK, ONNX, origin_of
from experiments.evaluate.deployment import deploy, is_deployed
from experiments.evaluate.latency import measure_latency
from experiments.records import record
from experiments.records.record import Budget, Layer, Record
from experiments.run.context import RunContext
from experiments.run.repair import RepairedNetwork
from experiments.run.stages import StageResult
from experiments.run.store import log_reused
from experiments.system import checkout, hardware
from experiments.system.checksums import matches_checksum
from experiments.system.console import log
from pruning.files import artifact, bitmap, durable
from pruning.graph.cost import count_macs, count_params
from pruning.methods.base import PruningMethod
from pruning.selection import Selection


@dataclass(frozen=True)
class Gates:
    """The learned network before its dead filters are silenced. No accuracy where nothing is gated."""

    accuracy: float | None
    figures: dict[str, float | None]


@dataclass(frozen=True)
class Cut:
    """What one round made; of all but the method's own network, the names and coordinates of the full-size one."""

    method: PruningMethod
    learned: StageResult
    choice: Selection  # with what earlier rounds have removed
    selection_seconds: float
    gates: Gates
    small: nn.Module  # before anything is mended
    certificate: float
    repaired: RepairedNetwork | None
    tuned: StageResult


@dataclass(frozen=True)
class StageOutputs:
    dense: StageResult
    rounds: tuple[Cut, ...]
    scratch: StageResult | None

    @property
    def cut(self) -> Cut:
        """The last, which is the run's."""
        return self.rounds[-1]


def read_finished(context: RunContext) -> Record | None:
    """The record of the same run made before, if all that was asked for lies beside it and may be reused."""
    path = context.folder / "record.json"
    for name in (path.name, "metrics.jsonl", ONNX):
        durable.refuse_folder(context.folder / name)  # before the training, not when they are written
    wanted = [path, context.folder / NETWORK, *([context.folder / ONNX] if context.settings.export else [])]
    if not (context.settings.store and all(wanted_path.exists() for wanted_path in wanted)):
        return None
    try:
        finished = record.read(path)
    except ValueError as error:
        log(f"{error}: making it again", "yellow")
        return None
    if not is_deployed(context, finished):
        return None
    if damage := describe_damage(context):
        log(f"{damage}: making it again from what the store holds", "yellow")
        return None
    for stage in finished.stages:
        log_reused(stage)
    return finished


def describe_damage(context: RunContext) -> str | None:
    """What of the kept network cannot be read, in one line."""
    try:
        artifact.load(context.folder / NETWORK, None if origin_of(context.settings) else context.network)
    except (OSError, ValueError) as error:
        return str(error)
    if context.settings.export and not matches_checksum(context.folder / ONNX):
        return f"{context.folder / ONNX} is not what was written"
    return None


def write_record(context: RunContext, outputs: StageOutputs, form: str) -> Record:
    """`form`: the small form that is timed."""
    settings, choice, data = context.settings, context.settings.choice, context.data
    networks, cut = measure_networks(context, outputs, form), outputs.cut
    result = Record(
        schema=record.SCHEMA,
        digest=context.digest,
        name=settings.name,
        command=command(),
        method=choice.method,
        model=choice.model,
        data=choice.data,
        recipe=choice.recipe,
        objective=choice.objective,
        experiment=choice.experiment,
        modified=modifications(choice.experiment),
        seed=settings.seed,
        ratio=settings.ratio,
        budget=measure_budget(context, outputs, networks["dense"], networks["pruned"]),
        classes=list(data.classes),
        val_seen=settings.baseline is not None and data.sizes["val"] > 0,
        **networks,
        **describe_repair(outputs),
        control=settings.control,
        gates_accuracy=cut.gates.accuracy,
        certificate=max(each.certificate for each in outputs.rounds),
        selection_seconds=sum(each.selection_seconds for each in outputs.rounds),
        layers=count_layers(cut.choice),
        stages=[*cut.tuned.stages, *(outputs.scratch.stages if outputs.scratch else ())],
        epochs_total=sum(stage.epochs for stage in cut.tuned.stages),
        method_figures=cut.gates.figures | timing_figures(context, form),
        config=plain(settings),
        baseline_digest=context.baseline_digest,
        data_verified=data.verified,
        left_out=count_left_out(context, cut),
        rounds=describe_rounds(context, outputs.rounds),
        deployment=deploy(context, outputs.dense.network, cut.tuned.network, form),
        **describe_surroundings(context),
    )
    result.write(context.folder / "record.json")
    return result


class RepairFigures(TypedDict):
    """What was mended without training."""

    repairs: list[record.Repair] | None
    repair_seconds: float | None


def describe_repair(outputs: StageOutputs) -> RepairFigures:
    """Of the last round, and the seconds of all."""
    mended = outputs.cut.repaired
    if mended is None:
        return RepairFigures(repairs=None, repair_seconds=None)
    return RepairFigures(
        repairs=[record.Repair(done.name, done.layers, list(done.left), done.images) for done in mended.repairs],
        repair_seconds=sum(cut.repaired.seconds for cut in outputs.rounds if cut.repaired),
    )


def describe_rounds(context: RunContext, rounds: Sequence[Cut]) -> list[record.Round] | None:
    shape = context.image_shape
    cuts = [record.Round(count_macs(cut.small, shape), count_params(cut.small), cut.certificate) for cut in rounds]
    return cuts if len(cuts) > 1 else None


class Surroundings(TypedDict):
    """What the run was made with."""

    git_commit: str | None
    versions: dict[str, str]
    device: str
    precision: str
    processes: int


def describe_surroundings(context: RunContext) -> Surroundings:
    return Surroundings(
        git_commit=checkout.commit(),
        versions=hardware.versions(context.device) | libraries(plain(context.settings)),
        device=hardware.describe(context.device),
        precision=context.precision,
        processes=context.processes,
    )


def count_left_out(context: RunContext, cut: Cut) -> dict[str, int]:
    """Of training as every stage has counted them; of the test set as they were met while measuring."""
    counts = {part: len(names) for part, names in context.data.left_out.items()}
    return counts | {"train": max([counts["train"], *(stage.left_out or 0 for stage in cut.tuned.stages)])}


def timing_figures(context: RunContext, form: str) -> dict[str, float | None]:
    """What `auto` came to: 1 for the grouped form. Any other form stands in the config."""
    return {"timed_grouped": float(form == "grouped")} if context.method.form == "auto" else {}


class Networks(TypedDict):
    """Every network of the record."""

    dense: record.Network
    pruned: record.Network
    repaired: record.Network | None
    tuned: record.Network
    scratch: record.Network | None


def measure_networks(context: RunContext, outputs: StageOutputs, form: str) -> Networks:
    """The pruned shape is timed once, whatever its weights: two timings of one shape would differ by noise."""
    whole, small = measure.measure_costs(
        [outputs.dense.network, outputs.cut.small], context.probe, context.device, form
    )
    dense, classes = measure_answers(context, outputs.dense.network), len(context.data.classes)

    def measured(network: nn.Module) -> record.Network:
        return record.Network(**small, **measure_answers(context, network).figures(dense, classes))

    return Networks(
        dense=record.Network(**whole, **dense.figures(dense, classes)),
        pruned=measured(outputs.cut.small),
        repaired=measured(outputs.cut.repaired.network) if outputs.cut.repaired else None,
        tuned=measured(outputs.cut.tuned.network),
        scratch=measured(outputs.scratch.network) if outputs.scratch else None,
    )


def measure_gates(context: RunContext, method: PruningMethod, learned: nn.Module) -> Gates:
    figures = record.finite(method.report(learned))
    return Gates(measure_answers(context, learned).accuracy if method.gated else None, figures)


def measure_answers(context: RunContext, network: nn.Module) -> Answers:
    return measure.answers(network, context.data.test_dataloader(), context.device)


def measure_budget(context: RunContext, outputs: StageOutputs, dense: record.Network, pruned: record.Network) -> Budget:
    rows = count_layers(outputs.cut.choice).values()
    return Budget(
        of=context.settings.choice.budget,
        asked=context.settings.ratio,
        got_filters=1 - sum(row.filters_kept for row in rows) / sum(row.filters_total for row in rows),
        got_kernels=1 - sum(row.kernels_kept for row in rows) / sum(row.kernels_total for row in rows),
        got_macs=1 - pruned.macs / dense.macs,
        got_params=1 - pruned.params / dense.params,
        allocation=context.settings.choice.allocation,
        latency=measure_latency(context, outputs.dense.network, outputs.cut.small),
    )


def count_layers(choice: Selection) -> dict[str, Layer]:
    return {
        name: Layer(
            choice.kept(name), choice.total(name), int(kernels.sum()), kernels.numel(), bitmap.encode(kernels.numpy())
        )
        for name, kernels in choice.items()
    }

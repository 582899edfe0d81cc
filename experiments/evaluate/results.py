"""What an experiment made, measured once and written down: the record."""

from dataclasses import dataclass, replace
from typing import Any

from torch import nn

from experiments.config.digest import libraries
from experiments.config.modified import modified
from experiments.config.typed import command
from experiments.evaluate import measure
from experiments.evaluate.keep import NETWORK, ONNX, origin_of
from experiments.records import record
from experiments.records.record import Budget, Layer, Record
from experiments.run.bench import Bench
from experiments.run.stages import Trained
from experiments.run.store import say_reused
from experiments.system import checkout, hardware
from experiments.system.checksums import matches_checksum
from experiments.system.terminal import say
from pruning.files import artifact, bitmap, durable
from pruning.selection import Selection


@dataclass(frozen=True)
class Gates:
    """The learned network before its dead filters are silenced. No accuracy where nothing is gated."""

    accuracy: float | None
    figures: dict[str, float | None]


@dataclass(frozen=True)
class Results:
    dense: Trained
    choice: Selection
    gates: Gates
    small: nn.Module  # before fine-tuning
    certificate: float
    tuned: Trained
    scratch: Trained | None


def finished(bench: Bench) -> Record | None:
    """The record of the same run made before, if all that was asked for lies beside it and may be reused."""
    path = bench.folder / "record.json"
    for name in (path.name, "metrics.jsonl", ONNX):
        durable.refuse_folder(bench.folder / name)  # before the training, not when they are written
    wanted = [path, bench.folder / NETWORK, *([bench.folder / ONNX] if bench.settings.export else [])]
    if not (bench.settings.store and all(each.exists() for each in wanted)):
        return None
    try:
        made = record.read(path)
    except ValueError as error:
        say(f"{error}: making it again", "yellow")
        return None
    if damage := damaged(bench):
        say(f"{damage}: making it again from what the store holds", "yellow")
        return None
    for stage in made.stages:
        say_reused(stage)
    return made


def damaged(bench: Bench) -> str | None:
    """What of the kept network cannot be read, in one line."""
    try:
        artifact.load(bench.folder / NETWORK, None if origin_of(bench.values["model"]) else bench.network)
    except (OSError, ValueError) as error:
        return str(error)
    if bench.settings.export and not matches_checksum(bench.folder / ONNX):
        return f"{bench.folder / ONNX} is not what was written"
    return None


def to_record(bench: Bench, made: Results, form: str) -> Record:
    """`form`: the small form that is timed."""
    dense, pruned = measured(bench, [made.dense.network, made.small], form)
    made_record = Record(
        schema=record.SCHEMA,
        digest=bench.digest,
        budget=budget(bench, made.choice, dense, pruned),
        classes=list(bench.data.classes),
        val_seen=bench.settings.baseline is not None and bench.data.sizes["val"] > 0,
        dense=dense,
        pruned=pruned,
        tuned=retrained(bench, pruned, made.tuned.network),
        scratch=retrained(bench, pruned, made.scratch.network) if made.scratch else None,
        gates_accuracy=made.gates.accuracy,
        certificate=made.certificate,
        layers=layers(made.choice),
        stages=[*made.tuned.stages, *(made.scratch.stages if made.scratch else ())],
        epochs_total=sum(stage.epochs for stage in made.tuned.stages),
        method_figures=made.gates.figures | timed(bench, form),
        baseline_digest=bench.baseline_digest,
        data_verified=bench.data.verified,
        left_out=left_out(bench, made),
        **asked(bench),
        **surroundings(bench),
    )
    made_record.write(bench.folder / "record.json")
    return made_record


def asked(bench: Bench) -> dict[str, Any]:
    """What the user chose, and the command that says it again."""
    settings = bench.settings
    names = ("method", "model", "data", "recipe", "objective", "experiment")
    said = {name: getattr(settings, name) for name in ("name", "seed", "ratio", "control")}
    chosen = {name: getattr(settings.choice, name) for name in names}
    return (
        said
        | chosen
        | {"command": command(), "modified": modified(bench.settings.choice.experiment), "config": bench.values}
    )


def surroundings(bench: Bench) -> dict[str, Any]:
    """What the run was made with."""
    device = hardware.describe(bench.device)
    versions = hardware.versions(bench.device) | libraries(bench.values)
    made_with = {"git_commit": checkout.commit(), "versions": versions, "processes": bench.processes}
    return made_with | {"device": device, "precision": bench.precision}


def left_out(bench: Bench, made: Results) -> dict[str, int]:
    """Of training as every stage has counted them; of the test set as they were met while measuring."""
    met = {part: len(names) for part, names in bench.data.left_out.items()}
    return met | {"train": max([met["train"], *(stage.left_out or 0 for stage in made.tuned.stages)])}


def timed(bench: Bench, form: str) -> dict[str, float | None]:
    """What `auto` came to: 1 for the grouped form. Any other form stands in the config."""
    return {"timed_grouped": float(form == "grouped")} if bench.method.form == "auto" else {}


def measured(bench: Bench, networks: list[nn.Module], form: str) -> list[record.Network]:
    loader, classes = bench.data.test_dataloader(), len(bench.data.classes)
    return measure.networks(networks, loader, bench.probe, classes, bench.device, form)


def retrained(bench: Bench, shape: record.Network, network: nn.Module) -> record.Network:
    """Other weights in the same shape: only the answers are new, and two timings of one shape would differ by noise."""
    found = accuracy(bench, network)
    return replace(shape, **found.figures(with_top5=shape.accuracy_top5 is not None))


def gates_as_they_are(bench: Bench, learned: nn.Module) -> Gates:
    figures = record.finite(bench.method.report(learned))
    return Gates(accuracy(bench, learned).top1 if bench.method.gated else None, figures)


def accuracy(bench: Bench, network: nn.Module) -> measure.Accuracy:
    return measure.accuracy(measure.copied(network, bench.device), bench.data.test_dataloader(), bench.device)


def budget(bench: Bench, choice: Selection, dense: record.Network, pruned: record.Network) -> Budget:
    rows = layers(choice).values()
    return Budget(
        of=bench.settings.choice.budget,
        asked=bench.settings.ratio,
        got_filters=1 - sum(row.filters_kept for row in rows) / sum(row.filters_total for row in rows),
        got_kernels=1 - sum(row.kernels_kept for row in rows) / sum(row.kernels_total for row in rows),
        got_macs=1 - pruned.macs / dense.macs,
        got_params=1 - pruned.params / dense.params,
    )


def layers(choice: Selection) -> dict[str, Layer]:
    return {
        name: Layer(
            choice.kept(name), choice.total(name), int(kernels.sum()), kernels.numel(), bitmap.encode(kernels.numpy())
        )
        for name, kernels in choice.items()
    }

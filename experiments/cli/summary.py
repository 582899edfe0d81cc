"""The end of a run, for the eye. Reads a record; imports no torch."""

import os
import shlex
from dataclasses import asdict
from pathlib import Path

from rich import box
from rich.table import Table
from rich.text import Text

from experiments.cli.request import describe_record
from experiments.records import jobs
from experiments.records.record import Deployment, Latency, Network, Record, Stage
from experiments.system.console import console, log, replace_unprintable
from experiments.system.format import clock, cut, percent, si
from experiments.system.redact import redact
from pruning.repair.names import describe_repair
from pruning.timing import MOST_HALF_WIDTH, TOLERANCE


def show(record: Record, folder: Path) -> None:
    console.print()
    console.print(networks(record))
    if record.deployment is not None:
        console.print(deployed(record.deployment))
    if record.stages:
        console.print(stages(record))
    for line in remark_lines(record):
        log(line)
    log(f"record       {folder / 'record.json'}")
    if jobs.JOB not in os.environ:  # a sweep compares by itself
        log(f"{'on CIFAR-10' if record.data != 'cifar10' else 'compare':<12} {comparison_command(record)}")


def networks(record: Record) -> Table:
    columns = {"dense": record.dense, "pruned": record.pruned, "repaired": record.repaired}
    columns |= {"fine-tuned": record.tuned, "scratch": record.scratch}
    shown = {name: network for name, network in columns.items() if network is not None}
    table = Table(title=Text(title(record)), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for name in shown:
        table.add_column(name, justify="right", style="bold" if name == "fine-tuned" else "")
    table.add_column("change", justify="right", style="green")
    table.add_row("test accuracy", *(percent(network.accuracy) for network in shown.values()), accuracy_change(record))
    for name, values in figure_rows(list(shown.values())).items():
        table.add_row(name, *(text for _, text in values), cut(values[0][0], values[1][0]))
    return table


def deployed(deployment: Deployment) -> Table:
    """Float32 and eight-bit integers, dense and pruned, side by side."""
    names = {"dense": deployment.dense, "dense int8": deployment.dense_int8}
    shown = names | {"pruned": deployment.tuned, "pruned int8": deployment.tuned_int8}
    title = f"{deployment.runtime}, {deployment.threads} thread{'s' * (deployment.threads > 1)}"
    table = Table(title=Text(title), title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column("", no_wrap=True)
    for name in shown:
        table.add_column(name, justify="right", style="bold" if name == "pruned int8" else "")
    each = list(shown.values())
    table.add_row("test accuracy", *(percent(file.accuracy) for file in each))
    table.add_row("unlike float32", *("" if file.flips is None else percent(file.flips) for file in each))
    table.add_row("file", *(si(file.bytes) + "B" for file in each))
    for batch, dense_ms in deployment.dense.latency_ms.items():
        table.add_row(f"batch {batch}", *(f"{file.latency_ms[batch]:.3g} ms" for file in each))
        table.add_row("", *(f"{dense_ms / file.latency_ms[batch]:.2f}x" for file in each), style="green")
    return table


def describe_deployment(deployment: Deployment) -> list[str]:
    spread = max(max(file.half_width.values()) for file in (deployment.dense, deployment.tuned_int8))
    floats = ", ".join(deployment.left_in_float) or "nothing"
    return [
        f"int8         ranges from {deployment.images} training images; off its simulation by "
        f"{deployment.difference:.1e} of the logits' scale (limit 0.1); left in float: {floats}",
        f"times        medians by turns in one process, known to {percent(spread, 1)}",
    ]


def title(record: Record) -> str:
    return replace_unprintable(redact(describe_record(record)))


def figure_rows(networks: list[Network]) -> dict[str, list[tuple[float, str]]]:
    """Each figure as a number, for the cut, and as text."""
    figures: dict[str, list[tuple[float, str]]] = {
        "MACs": [(network.macs, si(network.macs)) for network in networks],
        "parameters": [(network.params, si(network.params)) for network in networks],
        "size": [(network.bytes, si(network.bytes) + "B") for network in networks],
    }
    for batch in networks[0].latency_ms:
        times = [network.latency_ms[batch] for network in networks]
        figures[f"latency batch {batch}"] = [(time, f"{time:.3g} ms") for time in times]
    return figures


def accuracy_change(record: Record) -> str:
    return f"{100 * (record.tuned.accuracy - record.dense.accuracy):+.2f} points"


def stages(record: Record) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("stage", "epochs", "epoch taken", "validation", "time", "images/s", "made at"):
        table.add_column(name, justify="left" if name in ("stage", "made at") else "right")
    for stage in record.stages:
        table.add_row(*stage_row(stage))
    return table


def stage_row(stage: Stage) -> tuple[str, ...]:
    return (
        stage.name,
        str(stage.epochs),
        str(stage.chosen_epoch) if stage.chosen_epoch else "-",
        percent(stage.val_accuracy) if stage.val_accuracy is not None else "-",
        clock(stage.seconds),
        f"{stage.images_per_second:.0f}" if stage.images_per_second else "-",
        (stage.commit or "-") + (" (reused)" if stage.reused else ""),
    )


def remark_lines(record: Record) -> list[str]:
    lines = [f"certificate  {record.certificate:.1e} (largest |masked - small| on a real batch, relative; limit 1e-4)"]
    if record.tuned.flips is not None:
        lines.append(f"answers      {describe_answers(record)}")
    if record.modified:
        lines.append(f"modified     {' '.join(record.modified)}: not the setting of experiment={record.experiment}")
    if record.rounds:
        lines.append(
            f"rounds       {len(record.rounds)}, to {', '.join(si(cut.macs).strip() for cut in record.rounds)} MACs"
        )
    lines += [f"time         {describe_time(record.budget.latency)}"] if record.budget.latency else []
    lines += [f"repair       {describe_repair(**asdict(repair))}" for repair in record.repairs or ()]
    lines += describe_deployment(record.deployment) if record.deployment else []
    if record.gates_accuracy is not None:
        lines.append(f"with gates   {percent(record.gates_accuracy)} (full size, before any filter was removed)")
    if record.unreadable:
        lines.append(f"left out     {record.unreadable} could not be read")
    if record.val_seen:
        lines.append("validation   may have been seen by the baseline: it selected nothing, the last epoch was taken")
    lines.append(f"measured on  {record.device}, trained in {record.precision}")
    return lines


def describe_time(latency: Latency) -> str:
    """What a budget of time asked for, and what it got."""
    asked = percent(latency.asked, 1) if latency.asked_ms is None else f"{latency.asked_ms:g} ms"
    how = f"{latency.runtime}, batch {latency.batch}, {latency.threads} thread{'s' * (latency.threads > 1)}"
    if latency.got is None or latency.dense_ms is None or latency.half_width is None:
        return f"asked {asked}; the network that came out could not be timed ({how})"
    got = f"{percent(latency.got, 1)} of {latency.dense_ms:.3g} ms +- {percent(latency.half_width, 1)}"
    return f"asked {asked}, got {got}: {judge_time(latency.got / latency.asked - 1, latency.half_width)} ({how})"


def judge_time(over: float, half_width: float) -> str:
    """By a timing in a process of its own; one that is not known to MOST_HALF_WIDTH says nothing."""
    if half_width > MOST_HALF_WIDTH:
        return "not known, the machine was too busy"
    return f"met within {percent(TOLERANCE, 0)}" if abs(over) <= TOLERANCE else f"missed by {percent(abs(over), 1)}"


def describe_answers(record: Record) -> str:
    """What accuracy does not show of the fine-tuned network, beside the dense one."""
    dense, tuned = record.dense, record.tuned
    parts = [f"{percent(tuned.flips or 0)} unlike dense"]
    if dense.nll is not None and tuned.nll is not None:
        parts.append(f"nll {dense.nll:.3f} -> {tuned.nll:.3f}")
    if dense.ece is not None and tuned.ece is not None:
        parts.append(f"ece {100 * dense.ece:.1f} -> {percent(tuned.ece, 1)}")
    return ", ".join(parts + describe_loser(record))


def describe_loser(record: Record) -> list[str]:
    """The class that lost most; none where none did."""
    shares = zip(record.dense.accuracy_by_class or (), record.tuned.accuracy_by_class or (), strict=True)
    losses = [0 if before is None or after is None else before - after for before, after in shares]
    most = max(losses, default=0)
    return [f"class {record.classes[losses.index(most)]} lost most ({-100 * most:.1f} points)"] if most > 0 else []


def comparison_command(record: Record) -> str:
    """The same by random filters; of other data, the same on CIFAR-10, whose weights `baseline=` does not have."""
    words = shlex.split(record.command)
    other, left_out = (
        ("method=random", ("method=", "method."))
        if record.data == "cifar10"
        else ("data=cifar10", ("data=", "data.", "baseline="))
    )
    kept = [word for word in words if not word.lstrip("+~").startswith(left_out)]
    return shlex.join([*kept, other])

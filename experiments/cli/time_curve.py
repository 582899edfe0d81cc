"""Of a budget of time: how a network's time falls with its MACs, as a plan shows it. Imports no torch."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich import box
from rich.table import Table

from experiments.system.console import console, log
from experiments.system.format import percent

if TYPE_CHECKING:
    from pruning.deploy.latency import Met

WIDE = 40  # columns of a bar of 100 %


def show_time(met: "Met") -> None:
    """The cut that meets the target is bold."""
    table = Table(box=box.SIMPLE_HEAD)
    for name in ("MACs", "time", "+-", "ms"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for cells, is_met in curve_rows(met):
        table.add_row(*cells, style="bold" if is_met else "dim")
    console.print(table)
    fastest, dense_ms = min(each.paired.ms for each in met.candidates), met.paired.dense_ms
    reach = f"{fastest:.3g} to {dense_ms:.3g} ms can be asked for on this machine"
    log(f"{'time':<9} {dense_ms:.3g} -> {met.paired.ms:.3g} ms; {reach}")


def curve_rows(met: "Met") -> Iterator[tuple[tuple[str, ...], bool]]:
    dense_ms = met.paired.dense_ms
    yield ("100.0 %", "100.0 %", "", f"{dense_ms:.3g}", "\u2588" * WIDE), False
    for _, macs, paired in met.candidates:
        share, half_width = paired.share
        known = percent(half_width / share, 1)
        cells = (percent(macs, 1), percent(share, 1), known, f"{share * dense_ms:.3g}", "\u2588" * round(WIDE * share))
        yield cells, paired == met.paired

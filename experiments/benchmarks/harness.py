"""What the benchmark programs share: paired timing, a table, a JSON with the hardware in it."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path

import torch
from rich.table import Table

from experiments.system import checkout, hardware
from experiments.system.console import console
from pruning.timing import Clock, Name, Work, time_by_turns

Row = dict[str, object]
Switch = str | Mapping[str, object]  # the help of a flag, or all that argparse wants to know
WIDE = 160  # columns of a table in a file


@dataclass(frozen=True)
class Aim:
    """What a figure should be at the `least` or at the `most`, and what it is."""

    what: str
    wanted: float
    got: float
    rule: str = "least"

    @property
    def met(self) -> bool:
        return self.got >= self.wanted if self.rule == "least" else self.got <= self.wanted

    def to_json(self) -> Row:
        return asdict(self) | {"met": self.met}


def number(row: Row, name: str) -> float:
    """A figure of a row, to be reckoned with."""
    figure = row[name]
    assert isinstance(figure, int | float), f"{name} is {figure!r}"
    return figure


def time_paired(
    contenders: Mapping[Name, Work], rounds: int = 7, warm: int = 1, clock: Clock = time.perf_counter
) -> dict[Name, float]:
    """Median milliseconds of each contender, by turns in one process."""
    times = time_by_turns(contenders, rounds, warm, clock=clock)
    return {name: 1000 * measured.median for name, measured in times.items()}


def print_table(title: str, rows: Sequence[Row]) -> None:
    """A table for each kind of row, the names of the figures in its head; lists of raw figures are for the record."""
    shown = [{name: value for name, value in row.items() if not isinstance(value, list)} for row in rows]
    for names, group in groupby(shown, key=tuple):
        table, table_rows = Table(title=title, title_justify="left"), list(group)
        for name in names:
            table.add_column(name, justify="left" if isinstance(table_rows[0][name], str) else "right")
        for row in table_rows:
            table.add_row(*(format_value(value) for value in row.values()))
        console.print(table)


def format_value(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value >= 1e4 else f"{value:.4g}"


# `...`: each takes its own switches
Measure = Callable[..., list[Row]]  # type: ignore[explicit-any]
Aims = Callable[..., list[Aim]]  # type: ignore[explicit-any]
DrawPlot = Callable[[list[Row]], bytes]


def run_benchmark(
    name: str,
    claim: str,
    measure: Measure,
    aims: Aims | None = None,
    draw_plot: DrawPlot | None = None,
    **switches: Switch,
) -> None:
    """Run a benchmark as a program: print its table and aims, and write its record (and its plot) where `--out` says.

    `switches` are its own; `measure` and `aims` get their values.
    """
    options = parse_arguments(claim, switches)
    if not console.is_terminal:
        console.width = WIDE
    torch.set_num_threads(options.threads)
    values = {switch: getattr(options, switch) for switch in switches}
    start = time.monotonic()
    rows = measure(**values)
    results = [aim.to_json() for aim in aims(rows, **values)] if aims else []
    print_table(claim, rows)
    if results:
        print_table("aims", results)
    if options.out is not None:
        device = torch.device(getattr(options, "device", None) or hardware.device("auto"))
        record: Row = {"benchmark": name, "claim": claim, "commit": checkout.commit()}
        record |= {"versions": hardware.versions(device), "machine": hardware.describe(device)}
        record |= {"command": command_line(), "seconds": round(time.monotonic() - start)}
        options.out.write_text(json.dumps({**record, "aims": results, "rows": rows}, indent=1) + "\n")
        if draw_plot is not None:
            options.out.with_suffix(".png").write_bytes(draw_plot(rows))


def command_line() -> str:
    """As typed, but for where folders lie on this machine."""
    return " ".join(Path(word).name if "/" in word else word for word in sys.argv[1:])


def parse_arguments(claim: str, switches: Mapping[str, Switch]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=claim)
    parser.add_argument("--out", type=Path, help="write the figures, the hardware and the versions there (JSON)")
    parser.add_argument("--threads", type=int, default=1)
    for switch, meaning in switches.items():
        keywords = {"action": "store_true", "help": meaning} if isinstance(meaning, str) else meaning
        parser.add_argument(f"--{switch}", **keywords)  # type: ignore[arg-type]
    return parser.parse_args()

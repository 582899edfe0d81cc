"""docs/speed.md's tables of deployed networks and the curve of time against MACs, from the records of deploy_speed and
int8_accuracy: python -m experiments.benchmarks.deploy_page. Imports no torch."""

import json
from collections.abc import Iterator
from pathlib import Path

from experiments.benchmarks.speed_page import PAGE
from experiments.report.render import charts
from experiments.report.table import insert_table
from experiments.system.checkout import ROOT

FOLDER = ROOT / "experiments" / "results" / "benchmarks"
NETWORKS = ("vgg16", "resnet50", "mobilenet_v2")
FOUR, CUTS, TARGETS, ACCURACY = ("four ways", "cuts", "targets", "int8 accuracy")
FOUR_WAYS = (("dense", "fp32"), ("dense", "int8"), ("l1", "fp32"), ("l1", "int8"))
Row = dict[str, object]
Record = dict[str, object]


def main(folder: Path = FOLDER, page: Path = PAGE) -> None:
    records = read_records(folder)
    text = page.read_text()
    for name, table in tables(records, read_accuracy(folder)).items():
        text = insert_table(text, table, *marks(name))
    page.write_text(text)
    (folder / "deploy_curve.png").write_bytes(charts.draw_png(curve_spec(records)))


def read_records(folder: Path) -> list[Record]:
    paths = [folder / f"deploy_{network}.json" for network in NETWORKS]
    return [json.loads(path.read_text()) for path in paths if path.exists()]


def read_accuracy(folder: Path) -> list[Row]:
    path = folder / "int8_accuracy.json"
    return rows_of(json.loads(path.read_text())) if path.exists() else []


def rows_of(record: Record) -> list[Row]:
    rows = record["rows"]
    assert isinstance(rows, list)
    return rows


def figure(row: Row, name: str) -> float:
    value = row[name]
    assert isinstance(value, int | float)
    return value


def marks(name: str) -> tuple[str, str]:
    return (
        f"<!-- {name}: made by `python -m experiments.benchmarks.deploy_page`, do not edit -->",
        f"<!-- end of {name} -->",
    )


def tables(records: list[Record], accuracy: list[Row]) -> dict[str, str]:
    rows = [row for record in records for row in rows_of(record)]
    timed, targets = ([row for row in rows if (key in row)] for key in ("cut by", "asked"))
    return {
        FOUR: "\n".join(four_ways(timed)),
        CUTS: "\n".join(cuts(timed)),
        TARGETS: "\n".join(target_lines(targets)),
        ACCURACY: "\n".join(accuracy_lines(accuracy)),
    }


def table(*head: str) -> list[str]:
    return [line(*head), f"|{' --- |' * len(head)}"]


def line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def four_ways(rows: list[Row]) -> Iterator[str]:
    yield from table("network, side", "dense fp32", "dense int8", "pruned fp32", "pruned int8", "MACs of the pruned")
    for network in dict.fromkeys(str(row["network"]) for row in rows):
        found = {(row["cut by"], row["precision"]): row for row in rows if row["network"] == network}
        cells = [f"{figure(found[way], 'ms'):.3g} ms, {figure(found[way], 'times faster'):.2f}x" for way in FOUR_WAYS]
        yield line(network, *cells, f"{100 * figure(found['l1', 'fp32'], 'MACs'):.1f} %")


def cuts(rows: list[Row]) -> Iterator[str]:
    yield from table("network, side", "cut by", "MACs", "time", "known to", "quotient")
    for row in rows:
        if row["precision"] == "fp32" and row["cut by"] != "dense":
            macs, time = figure(row, "MACs"), figure(row, "time")
            known = f"{100 * figure(row, 'known to'):.1f} %"
            shares = f"-{100 * (1 - macs):.1f} %", f"{100 * (time - 1):+.1f} %"
            yield line(str(row["network"]), str(row["cut by"]), *shares, known, f"{(1 - time) / (1 - macs):.2f}")


def target_lines(rows: list[Row]) -> Iterator[str]:
    yield from table("network, side", "asked", "found", "anew", "known to", "dense", "networks timed", "seconds")
    for row in rows:
        shares = [f"{100 * figure(row, name):.1f} %" for name in ("asked", "found", "anew", "anew known to")]
        rest = f"{figure(row, 'dense, ms'):.3g} ms", str(row["candidates"]), f"{figure(row, 'seconds'):.0f}"
        yield line(str(row["network"]), *shares, *rest)


def accuracy_lines(rows: list[Row]) -> Iterator[str]:
    yield from table("ResNet-20", "float32", "int8", "answered unlike float32", "file", "off the simulation")
    for row in rows:
        shares = [f"{figure(row, name):.2f} %" for name in ("fp32, %", "int8, %", "unlike fp32, %")]
        size = f"{figure(row, 'fp32, kB'):.0f} -> {figure(row, 'int8, kB'):.0f} kB"
        yield line(str(row["cut by"]), *shares, size, f"{figure(row, 'off the simulation'):.1e}")


def curve_spec(records: list[Record]) -> charts.Spec:
    targets = [row for record in records for row in rows_of(record) if "asked" in row]
    points = [
        {"network": row["network"], "macs": macs, "time": time}
        for row in targets
        for macs, time, _ in [(1.0, 1.0, 0.0), *curve_of(row)]
    ]
    axis = {"format": "%", "tickCount": 5}
    domain = [row["network"] for row in targets]
    colour = {"field": "network", "type": "nominal", "title": None, "legend": {"orient": "top"}}
    scale = {"scale": {"domain": domain, "range": list(charts.COLOURS[: len(domain)])}}
    x, y = (
        {"field": name, "type": "quantitative", "title": title, "axis": axis, "scale": {"domain": [0, 1]}}
        for name, title in (("macs", "MACs kept"), ("time", "time, of the dense network's"))
    )
    diagonal = {"data": {"values": [{"macs": 0, "time": 0}, {"macs": 1, "time": 1}]}, "encoding": {"x": x, "y": y}}
    return charts.complete_spec(
        {
            "background": "white",
            "width": 360,
            "height": 300,
            "layer": [
                diagonal | {"mark": {"type": "line", "strokeDash": [4, 4], "color": charts.QUIET, "strokeWidth": 1}},
                {
                    "data": {"values": points},
                    "mark": {"type": "line", "point": {"filled": True, "size": 45}, "strokeWidth": 1.5},
                    "encoding": {"x": x, "y": y, "color": colour | scale},
                },
            ],
        }
    )


def curve_of(row: Row) -> list[tuple[float, float, float]]:
    points = row["curve"]
    assert isinstance(points, list)
    return points


if __name__ == "__main__":
    main()

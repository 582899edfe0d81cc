"""A table without training, of figures by hand."""

from experiments.records.cells import SCHEMA, Measured, Row, Table

DENSE = Measured(macs=1000, params=100, accuracy=0.9, nll=0.3, flips=0.0)


def row(criterion: str, allocation: str, repair: str, draw: int, accuracy: float, choice: str = "c0") -> Row:
    return Row(criterion, allocation, repair, 0.5, draw, 500, 40, accuracy, 1.0, 0.25, 2.0, choice)


def refused(reason: str) -> Row:
    return Row("l1", "lamp", "none", 0.9, 0, None, None, None, None, None, 0.0, None, refused=reason)


def table(rows: list[Row], **changes: object) -> Table:
    values = {
        "schema": SCHEMA,
        "digest": "0123456789abcdef",
        "model": "resnet20",
        "data": "cifar10",
        "budget": "macs",
        "images": 400,
        "base": ["experiment=compare/no_training", "program=experiment"],
        "dense": DENSE,
        "tested": 10_000,
        "classes": 10,
        "command": "python run.py experiment=compare/no_training",
        "git_commit": "abc",
        "versions": {"torch": "2.11"},
        "device": "a core",
    }
    return Table(**(values | changes), rows=rows)  # type: ignore[arg-type]


def four_cells() -> Table:
    """Two criteria, two repairs, two draws of images; nothing of `none` differs by draw."""
    rows = [
        *(row("l1", "uniform", "none", draw, 0.2, "c1") for draw in (0, 1)),
        *(row("l1", "uniform", "ls", draw, 0.80 + 0.02 * draw, "c1") for draw in (0, 1)),
        *(row("l1", "lamp", "ls", draw, 0.85, f"c3{draw}") for draw in (0, 1)),
        *(row("random", "uniform", "none", draw, 0.1 + 0.04 * draw, f"c2{draw}") for draw in (0, 1)),
        *(row("random", "uniform", "ls", draw, 0.70, f"c2{draw}") for draw in (0, 1)),
    ]
    return table([*rows, refused("macs=0.9 cannot be met")])

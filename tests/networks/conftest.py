"""`pytest -m networks -n 2 tests/networks --table docs/networks.md` also writes what it saw."""

from pathlib import Path

import pytest

HEAD = """# Networks

This page shows on which networks pruning is exact, and how much of each can be cut.

Every network is cut at random filters (each goes with probability 30 % or 60 %, one stays in every layer, three seeds; shown
is the first), with random batch norms, in float64; `pytest -m networks -n 2 tests/networks --table docs/networks.md` makes
this table. `free` convolutions are not tied to others by an addition; `certificate` is the largest
|masked - small| / largest |logit| over all selections of the network. MACs are of one image of the side shown, 10 classes.

| network | side | convolutions | cuttable | free | joined | grouped | squeeze-excitation | MACs (M) | MACs cut at 30 % | MACs cut at 60 % | certificate |
|---|---|---|---|---|---|---|---|---|---|---|---|
"""  # noqa: E501


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--table", type=Path, help="write the table of networks to this file")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    target = terminalreporter.config.getoption("--table")
    passed = [dict(report.user_properties) for report in terminalreporter.stats.get("passed", [])]
    rows = sorted(properties["row"] for properties in passed if "row" in properties)
    if target and rows:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(HEAD + "\n".join(row for _, row in rows) + "\n")

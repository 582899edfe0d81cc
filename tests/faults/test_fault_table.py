"""docs/faults.md names tests that exist, and every fault of the list."""

import re
from collections import Counter

from experiments.system.checkout import ROOT

TESTS = ROOT / "tests"
TABLE = (ROOT / "docs" / "faults.md").read_text()
FEWEST = {"A": 15, "B": 8, "C": 8, "D": 9, "E": 12, "F": 8}  # rows that may not be lost


def test_every_fault_has_its_row() -> None:
    rows = re.findall(r"^\| ([A-Z])(\d+) \|", TABLE, re.MULTILINE)
    counts = Counter(group for group, _ in rows)
    assert rows == [(group, str(number)) for group in sorted(counts) for number in range(1, counts[group] + 1)]
    assert all(counts[group] >= fewest for group, fewest in FEWEST.items())


def test_every_test_that_is_named_exists() -> None:
    for row in re.findall(r"^\| [A-Z]\d+ \|.*$", TABLE, re.MULTILINE):
        path = None
        for named, test in re.findall(r"([\w/]+\.py)?(?:::(\w+))?", row):
            path = named or path
            if named or test:
                assert path is not None
                assert f"def {test or 'test_'}" in (TESTS / path).read_text(), (row[:8], path, test)

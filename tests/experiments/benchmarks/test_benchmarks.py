"""docs/speed.md says what the committed record says; an aim knows when it is met; a record of now is kept."""

import json
import re
from pathlib import Path

import pytest

from experiments.benchmarks.__main__ import FOLDER, format_aim
from experiments.benchmarks.harness import Aim
from experiments.benchmarks.speed_page import BEGIN, END, PAGE, speed_table, write_table

RECORD = {
    "machine": "a processor, 1 threads",
    "versions": {"torch": "2.15.0"},
    "commit": "abcdef12",
    "rows": [
        {"network": "vgg16, 32", "method": "l1", "ratio": 0.45, "batch": 64, "runtime": runtime, "MACs cut": 0.5,
         "time cut": cut, "quotient": cut / 0.5}
        for runtime, cut in (("eager", -0.1), ("onnxruntime", 0.45))
    ],
}  # fmt: skip


def test_a_case_is_one_line_with_both_runtimes_and_the_quotient_of_the_exported_network() -> None:
    assert speed_table(RECORD).splitlines()[2] == "| vgg16, 32 | l1 | 0.45 | 64 | -50.0 % | +10.0 % | -45.0 % | 0.90 |"


def test_only_the_place_of_the_table_is_written(tmp_path: Path) -> None:
    page, record = tmp_path / "speed.md", tmp_path / "pruned.json"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    assert write_table(record, page) == "left alone, there is no pruned.json"
    record.write_text(json.dumps(RECORD))
    write_table(record, page)
    assert page.read_text() == f"before\n{BEGIN}\n{speed_table(RECORD)}\n{END}\nafter\n"


def test_the_page_shows_the_committed_record() -> None:
    shown = re.search(f"{re.escape(BEGIN)}\n(.*?){re.escape(END)}", PAGE.read_text(), re.S)
    assert shown is not None
    path = FOLDER / "pruned.json"
    assert shown[1].strip() == (speed_table(json.loads(path.read_text())).strip() if path.exists() else "")


@pytest.mark.parametrize(("rule", "got", "met"), [("least", 2.0, True), ("least", 1.9, False), ("most", 2.1, False)])
def test_an_aim_says_whether_it_is_met(rule: str, got: float, met: bool) -> None:
    aim = Aim("a figure", 2.0, got, rule).to_json()
    assert aim["met"] is met
    assert format_aim(aim).startswith("met" if met else "MISSED")

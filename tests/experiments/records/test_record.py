import json
import math
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from experiments.records.record import SCHEMA, Budget, Layer, Network, Record, Stage, finite, load_json, read

NETWORK = Network(0.9, None, 100, 10, 40, {"1": 1.5, "64": 20.0})
RECORD = Record(
    schema=SCHEMA,
    digest="d" * 64,
    name="l1-tiny",
    command="python run.py method=l1",
    method="l1",
    model="tiny",
    data="digits",
    recipe="smoke",
    objective="cross_entropy",
    experiment=None,
    modified=[],
    seed=0,
    ratio=0.5,
    budget=Budget("layer", 0.5, 0.5, 0.5, 0.7, 0.6),
    classes=["0", "1"],
    val_seen=False,
    dense=NETWORK,
    pruned=replace(NETWORK, macs=30),
    tuned=replace(NETWORK, macs=30, accuracy=0.85),
    scratch=None,
    control=None,
    gates_accuracy=0.8,
    certificate=1e-7,
    layers={"conv1": Layer(4, 8, 12, 24, None)},
    stages=[Stage("baseline", 3, 2, 0.91, 1.0, 100.0, 3000, "e" * 64, None, False)],
    epochs_total=3,
    method_figures={"rho": 1.0, "gap": None},
    git_commit=None,
    versions={"torch": "2"},
    device="a processor",
    precision="32-true",
    config={"ratio": 0.5, "data": {"val": 0.2}},
)


def test_it_comes_back_from_json_as_it_was(tmp_path: Path) -> None:
    RECORD.write(tmp_path / "record.json")
    assert read(tmp_path / "record.json") == RECORD


def test_it_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        RECORD.seed = 1  # type: ignore[misc]


def broken(tmp_path: Path, **changes: object) -> Path:
    RECORD.write(tmp_path / "record.json")
    values = json.loads((tmp_path / "record.json").read_text()) | changes
    (tmp_path / "record.json").write_text(json.dumps(values))
    return tmp_path / "record.json"


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"schema": SCHEMA + 1}, f"schema {SCHEMA + 1}, this program reads {SCHEMA}"),
        ({"dense": {"accuracy": 0.9}}, "macs|accuracy_top5"),
        ({"seed": "zero"}, "seed: Input should be a valid integer"),
        ({"dense": None}, "record.json is not a whole record: dense: "),
        ({"colour": "red"}, "colour: Unexpected keyword argument"),
    ],
)
def test_what_is_no_record_is_named(tmp_path: Path, changes: dict[str, object], what: str) -> None:
    with pytest.raises(ValueError, match=what):
        read(broken(tmp_path, **changes))


def test_an_older_one_does_not_know_its_baselines_digest(tmp_path: Path) -> None:
    path = broken(tmp_path)
    values = json.loads(path.read_text())
    assert values.pop("baseline_digest", "") is None
    path.write_text(json.dumps(values))
    assert read(path) == RECORD
    del values["seed"]
    path.write_text(json.dumps(values))
    with pytest.raises(ValueError, match="seed"):
        read(path)


def test_a_half_written_one_is_named(tmp_path: Path) -> None:
    path = broken(tmp_path)
    path.write_text(path.read_text()[:100])
    with pytest.raises(ValueError, match=r"record\.json is not a whole record"):
        read(path)


def test_json_has_no_nan(tmp_path: Path) -> None:
    assert finite({"a": math.nan, "b": math.inf, "c": 1.0}) == {"a": None, "b": None, "c": 1.0}
    with pytest.raises(ValueError, match="JSON"):
        replace(RECORD, certificate=math.nan).write(tmp_path / "record.json")
    assert not list(tmp_path.iterdir())


def test_deep_json_and_a_folder_are_named_by_every_reader(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("[" * 100_000)
    (tmp_path / "sweep.json").mkdir()
    for reader, name, kind in (
        (read, "record", "RecursionError"),
        (load_json, "record", "RecursionError"),
        (load_json, "sweep", "IsADirectoryError"),
    ):
        with pytest.raises(ValueError, match=rf"{name}\.json is not .*{kind}"):
            reader(tmp_path / f"{name}.json")


def test_a_path_that_is_no_utf8_is_read_back(tmp_path: Path) -> None:
    """As Python has it from the command line, and JSON writes it."""
    replace(RECORD, command="python run.py folder=\udcfc").write(tmp_path / "record.json")
    assert read(tmp_path / "record.json").command == "python run.py folder=?"

"""Whatever lies in a folder of results is a row or is named with its reason."""

import copy
import json
import math
import os
import random
import socket
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from experiments.benchmarks.synthetic_runs import synthetic_record, write_runs
from experiments.records import jobs
from experiments.records.record import SCHEMA, Record
from experiments.report import table
from experiments.report.analyse.configurations import build_comparisons
from experiments.report.load.collect import Problem, collect
from experiments.report.render import chart_data, section_view


def single(folder: Path) -> Path:
    return write_runs(folder, ("l1",), (0.5,), (0,))[0] / "record.json"


def broken(folder: Path, **changes: Any) -> Problem:
    """The only trouble of a folder whose record was changed by hand, or by an older program."""
    path = single(folder)
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    found = collect([folder])
    assert found.runs == []
    (trouble,) = found.troubles
    assert trouble.what == str(path)
    return trouble


NETWORK = {"accuracy": 0.9, "accuracy_top5": None, "macs": 10, "params": 10, "bytes": 10, "latency_ms": {}}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": SCHEMA + 1}, f"schema {SCHEMA + 1}"),
        ({"tuned": NETWORK | {"accuracy": math.nan}}, "accuracy of the tuned network is nan"),
        ({"tuned": NETWORK | {"accuracy": 93.1}}, "not a share"),
        ({"dense": NETWORK | {"macs": 0}}, "counts 0"),
        ({"dense": NETWORK | {"macs": 10**30}}, "counts"),
        ({"dense": NETWORK | {"latency_ms": {"1": 0.0}}}, "timed"),
        ({"tuned": NETWORK | {"flips": 1.2}}, "flips or an accuracy by class of the tuned network is 1.2"),
        ({"tuned": NETWORK | {"nll": -0.1}}, "nll of the tuned network is -0.1"),
        ({"tuned": NETWORK | {"accuracy_by_class": [0.5]}}, "accuracies of 1 classes, the record 10 classes"),
        ({"certificate": 0.5}, "not the masked one"),
        ({"certificate": math.nan}, "not the masked one"),
        ({"ratio": 1.5}, "ratio 1.5"),
        ({"config": {}}, "no sound data: Field required"),
        (
            {
                "layers": {
                    "a": {"filters_kept": 9, "filters_total": 2, "kernels_kept": 9, "kernels_total": 2, "kept": None}
                }
            },
            "9 of 2",
        ),
        ({"colour": "red"}, "colour: Unexpected keyword argument"),
    ],
)
def test_what_is_not_sound_is_named_and_never_ranked(tmp_path: Path, changes: dict[str, Any], reason: str):
    assert reason in broken(tmp_path, **changes).reason


@pytest.mark.parametrize("text", ["", "{", '{"schema": 2', "[]", "[" * 100_000, "\x00\xff"])
def test_half_written_ones_are_named(tmp_path: Path, text: str):
    path = single(tmp_path)
    path.write_text(text)
    (trouble,) = collect([tmp_path]).troubles
    assert (trouble.what, trouble.state) == (str(path), "unreadable")


def test_committed_records_go_by_any_name_and_other_json_is_no_trouble(tmp_path: Path):
    synthetic_record("l1", 0.5, 0).write(tmp_path / "l1.json")
    (tmp_path / "other.json").write_text('{"benchmark": "compaction"}')
    (tmp_path / "torn.json").write_text('{"schema": 2, "dig')
    found = collect([tmp_path])
    assert [run.path.name for run in found.runs] == ["l1.json"]
    assert [Path(trouble.what).name for trouble in found.troubles] == ["torn.json"]


def test_an_empty_folder_says_what_to_do(tmp_path: Path):
    with pytest.raises(FileNotFoundError, match=r"no record in .*python run\.py"):
        collect([tmp_path])
    with pytest.raises(FileNotFoundError):
        collect([tmp_path / "nowhere"])


def said(state: str, reason: str | None = None, pid: int = 1, host: str = "elsewhere") -> str:
    words = dict.fromkeys(("command", "name", "method", "model", "data", "digest"), "mine")
    times = {"started": "2026-01-01T00:00:00+00:00", "ended": None, "ratio": 0.5, "seed": 0}
    return json.dumps({"schema": 1, "state": state, "reason": reason, "pid": pid, "host": host} | words | times)


@pytest.mark.parametrize(
    ("text", "state", "reason"),
    [
        (said("FAILED", "loss is nan at step 3"), "FAILED", "loss is nan at step 3"),
        (said("PREEMPTED"), "PREEMPTED", "does what is left"),
        (said("RUNNING"), "RUNNING", "still at work"),
        (said("RUNNING", pid=2**22 + 1, host=socket.gethostname()), "FAILED", "killed"),
        (said("COMPLETED"), "COMPLETED", "no record"),
        ("[]", "unreadable", "not a whole status"),
        ("{", "unreadable", "not a whole status"),
    ],
)
def test_a_run_without_a_record_is_shown_by_its_status(tmp_path: Path, text: str, state: str, reason: str):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "status.json").write_text(text)
    (trouble,) = collect([tmp_path]).troubles
    assert trouble.state == state
    assert reason in trouble.reason


def test_a_completed_run_is_no_trouble(tmp_path: Path):
    path = single(tmp_path)
    (path.parent / "status.json").write_text(said("COMPLETED"))
    found = collect([tmp_path, tmp_path])
    assert (len(found.runs), found.troubles) == (1, [])


def test_jobs_of_a_sweep_are_shown_once_with_their_logs(tmp_path: Path):
    """Three jobs: one done, one failed (its run says so too), one not begun."""
    single(tmp_path)
    asked = [["method=l1", "seed=0"], ["method=l1", "seed=1"], ["method=fcf", "name=a b"]]
    place = jobs.sweep_folder(tmp_path, ["method=l1,fcf"])
    jobs.write_listing(place, "python run.py -m", asked)
    done = jobs.Job(asked[0], state="COMPLETED", run="x", exit_code=0)
    failed = jobs.Job(asked[1], state="FAILED", run="dead", reason="exit code 7", log="sweep/log.txt", exit_code=7)
    for job in (done, failed):
        (place / jobs.job_key(job.overrides)).mkdir()
        jobs.write(place / jobs.job_key(job.overrides), job)
    (tmp_path / "dead").mkdir()
    (tmp_path / "dead" / "status.json").write_text(said("RUNNING"))
    found = collect([tmp_path])
    assert [(each.state, each.reason, each.command) for each in found.troubles] == [
        ("FAILED", "exit code 7", "python run.py method=l1 seed=1"),
        ("WAITING", "not begun", "python run.py method=fcf 'name=a b'"),
    ]
    assert found.troubles[0].log == str(tmp_path / "sweep" / "log.txt")
    another = tmp_path / "sweep" / "another"
    another.mkdir()
    (another / "sweep.json").write_text("[]")
    broken, *others = collect([tmp_path]).troubles
    assert (broken.what, broken.state, others) == (str(another), "unreadable", found.troubles)
    assert broken.reason.startswith(f"{another / 'sweep.json'} is not a whole listing")


def test_two_of_one_setting_and_seed_are_not_two_samples(tmp_path: Path):
    old, new = single(tmp_path / "a"), single(tmp_path / "b")
    record = synthetic_record("l1", 0.5, 0)
    replace(record, digest="0" * 64).write(new)
    os.utime(old, (1, 1))
    found = collect([tmp_path])
    assert [run.path for run in found.runs] == [new]
    (trouble,) = found.troubles
    assert (trouble.what, trouble.state) == (str(old), "set aside")


def test_the_shape_from_scratch_is_a_row_of_its_own(tmp_path: Path):
    record: Record = synthetic_record("l1", 0.5, 0)
    replace(record, scratch=replace(record.tuned, accuracy=0.5), control="scratch").write(tmp_path / "record.json")
    plain, scratch = collect([tmp_path]).runs
    assert (plain.scratch, scratch.scratch) == (False, True)
    assert scratch.final.accuracy == 0.5


ODD = (None, "text", [], {}, {"a": None}, [[{}]], 10**400, -(10**30), 1e308, True, 0, math.nan, "\x1b<b>", {"a": {}})


def leaves_of(config: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    own = [path] if path else []
    below = config.items() if isinstance(config, dict) else ()
    return own + [each for key, value in below for each in leaves_of(value, (*path, key))]


def with_odd(config: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """`...`: the key is not there at all."""
    made = copy.deepcopy(config)
    place = made
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    if value is ...:
        del place[path[-1]]
    return made


def test_whatever_a_config_holds_costs_one_record_at_most(tmp_path: Path):
    """Every key of a record's config gone, or with a value that is none: drawn, and all of them in one folder."""
    template, sound_one = synthetic_record("l1", 0.5, 0), synthetic_record("random", 0.5, 0)
    cases = [(path, value) for path in leaves_of(template.config) for value in (*ODD, ...)]
    draws = random.Random(14)
    groups = [case for case in cases if len(case[0]) == 1 or case[0][-1] in ("prune", "finetune", "_target_")]
    sound_one.write(tmp_path / "sound.json")
    for number, (path, value) in enumerate([*draws.sample(groups, 40), *draws.sample(cases, 20)]):
        odd = replace(template, digest=f"{number:064}", seed=number, config=with_odd(template.config, path, value))
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "record.json").write_text(json.dumps(asdict(odd)))
    published = template.config | {"published": {"tuned": "text"}}
    replace(template, digest="p", config=published).write(tmp_path / "published.json")
    found = collect([tmp_path])
    made = build_comparisons(found.runs)
    looks = section_view.curve_styles(made)
    for comparison in made:
        json.dumps(
            [section_view.section_view(0, comparison, looks), chart_data.section_data(comparison, looks)],
            allow_nan=False,
        )
    table.markdown_table(table.sort_rows(made))
    assert sound_one in [run.record for run in found.runs]
    assert len(found.runs) + len(found.troubles) == 62
    assert all(each.state in ("unreadable", "set aside") and each.reason for each in found.troubles)
    assert len(found.troubles) > 10, "else this tests nothing"


@pytest.mark.parametrize(("depth", "reason"), [(500, "recursion limit exceeded")])
def test_a_config_nested_beyond_reason_is_named(tmp_path: Path, depth: int, reason: str):
    deep: Any = {}
    for _ in range(depth):
        deep = {"a": deep}
    config = synthetic_record("l1", 0.5, 0).config | {"deep": deep}
    assert reason in broken(tmp_path, config=config).reason


def test_text_for_the_recipe_of_fine_tuning_costs_its_record_alone(tmp_path: Path):
    config = synthetic_record("l1", 0.5, 0).config
    assert (
        "no sound recipe.finetune: Input should be a valid dictionary"
        in broken(tmp_path, config=config | {"recipe": config["recipe"] | {"finetune": "text"}}).reason
    )


@pytest.mark.parametrize("kept", [{"tested": 10, "answers": None}, {"tested": 10, "answers": "x"}, {"tested": -1}])
def test_answers_that_are_none_are_named(tmp_path: Path, kept: dict[str, Any]):
    reason = broken(tmp_path, tuned=NETWORK | kept).reason
    assert "tuned network was tested on" in reason or "not a bitmap" in reason

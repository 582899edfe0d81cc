"""A stage's digest holds the sources that it runs: those, all of those, and no comment. Edits are made to a copy."""

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from experiments.config import sources
from experiments.config.sources import digest_of_stage
from experiments.run import stages
from experiments.system.checkout import ROOT
from support.running import run

STAGES = ("baseline", "prune", "finetune", "run")
CONFIG = {"data": "datamodules.digits.Digits", "model": "pruning.models.resnet", "method": "pruning.methods.l1.L1"}


def config(stage: str, **targets: str) -> dict[str, Any]:
    """What a stage has seen."""
    named = CONFIG | targets
    return {key: {"_target_": value} for key, value in named.items() if stage != "baseline" or key != "method"}


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    for room in sources.OURS:
        shutil.copytree(ROOT / room, tmp_path / room, ignore=shutil.ignore_patterns("results", "__pycache__"))
    return tmp_path


def digests(root: Path, **targets: str) -> dict[str, str]:
    sources.parse.cache_clear()
    sources.locate.cache_clear()
    sources.find_spec.cache_clear()
    return {stage: digest_of_stage(stage, config(stage, **targets), root) for stage in STAGES}


def edited(root: Path, file: str, **targets: str) -> list[str]:
    """The stages that are made again after a line of code more."""
    before = digests(root, **targets)
    with open(root / file, "a") as opened:
        opened.write("\nA_NEW_LINE = 1\n")
    after = digests(root, **targets)
    return [stage for stage in STAGES if before[stage] != after[stage]]


@pytest.mark.parametrize(
    ("file", "first"),
    [
        ("pruning/training/task.py", "baseline"),
        ("pruning/training/finite.py", "baseline"),
        ("pruning/models/resnet.py", "baseline"),
        ("datamodules/crops.py", "baseline"),
        ("experiments/run/stages.py", "baseline"),
        ("pruning/methods/l1/callback.py", "prune"),
        ("pruning/methods/base.py", "prune"),
        ("pruning/graph/liveness.py", "prune"),
        ("pruning/surgery/compact.py", "finetune"),
        ("experiments/evaluate/measure.py", "run"),
        ("pruning/methods/gates/lpbox.py", None),
        ("datamodules/folder.py", None),
        ("experiments/report/render/page.py", None),
        ("experiments/system/console.py", None),
    ],
)
def test_a_change_makes_again_the_stages_that_run_it_and_no_earlier_one(
    copied: Path, file: str, first: str | None
) -> None:
    assert edited(copied, file) == (list(STAGES[STAGES.index(first) :]) if first else [])


def test_a_comment_or_a_docstring_makes_nothing_again(copied: Path) -> None:
    before = digests(copied)
    for file in ("pruning/methods/l1/callback.py", "pruning/training/task.py"):
        text = (copied / file).read_text()
        (copied / file).write_text(text.replace('"""', '"""Of late: ', 1) + "\n# a comment\n")
    assert digests(copied) == before


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """mine.py, which takes a part from beside it, and a package with a part that nothing names."""
    (tmp_path / "mine.py").write_text("from beside import PART\nimport safetensors\n\nclass Thing: ...\n")
    (tmp_path / "beside.py").write_text("PART = 1\n")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "__init__.py").write_text("def net(): ...\n")
    (tmp_path / "theirs" / "hidden.py").write_text("PART = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PRUNING_TARGETS", "mine:theirs")
    return tmp_path


@pytest.mark.parametrize("file", ["mine.py", "beside.py"])
@pytest.mark.parametrize(("place", "first"), [("method", "prune"), ("model", "baseline"), ("data", "baseline")])
def test_a_package_of_the_users_own_counts_in_every_stage_that_runs_it(
    own: Path, file: str, place: str, first: str
) -> None:
    before = digests(ROOT, **{place: "mine.Thing"})
    (own / file).write_text((own / file).read_text() + "MORE = 1\n")
    after = digests(ROOT, **{place: "mine.Thing"})
    assert [stage for stage in STAGES if before[stage] != after[stage]] == list(STAGES[STAGES.index(first) :])


def test_every_file_of_an_own_package_counts_and_none_of_it_is_run(own: Path) -> None:
    before = digests(ROOT, model="theirs.net")
    (own / "theirs" / "hidden.py").write_text("PART = 2\n")
    assert digests(ROOT, model="theirs.net") != before
    assert "theirs" not in sys.modules


def test_a_folder_without_init_is_an_own_package_too(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (own / "bare").mkdir()
    (own / "bare" / "nets.py").write_text("from .blocks import PART\ndef net(): ...\n")
    (own / "bare" / "blocks.py").write_text("PART = 1\n")
    monkeypatch.setenv("PRUNING_TARGETS", "bare")
    before = digests(ROOT, model="bare.nets.net")
    (own / "bare" / "blocks.py").write_text("PART = 2\n")
    assert digests(ROOT, model="bare.nets.net") != before


def test_a_library_that_own_code_imports_counts_by_its_version(own: Path) -> None:
    assert sources.libraries(config("run", model="mine.Thing")).keys() == {"safetensors"}
    assert sources.libraries(config("run")) == {}


def test_a_package_that_the_user_has_not_named_is_not_looked_at(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PRUNING_TARGETS")
    assert sources.target_names(config("run", model="mine.Thing")) == [CONFIG["data"], CONFIG["method"]]


# What a stage runs beside what it counts: none of it can change a number
HARMLESS = (
    *("experiments/system/", "experiments/config/", "experiments/records/", "experiments/tracking/"),
    "pruning/files/durable.py",
)


class Ran:
    """Files of ours whose functions ran, by stage."""

    def __init__(self) -> None:
        self.files: dict[str, set[str]] = {}
        self.stage: list[str] = []

    def __call__(self, frame: Any, event: str, argument: Any) -> None:
        path = frame.f_code.co_filename
        if event == "call" and self.stage and path.startswith(str(ROOT)) and frame.f_code.co_name != "<module>":
            self.files.setdefault(self.stage[-1], set()).add(os.path.relpath(path, ROOT))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> Ran:
    found, train = Ran(), stages.train

    def watched(context: Any, start: Any, spec: Any) -> Any:
        found.stage.append(spec.stage)
        sys.setprofile(found)
        try:
            return train(context, start, spec)
        finally:
            sys.setprofile(None)
            found.stage.pop()

    for caller in ("pipeline", "run.stages", "run.tuning"):
        monkeypatch.setattr(f"experiments.{caller}.train", watched)
    return found


LEARNT = ("method=group2d", "ratio=0.25", *(f"recipe.{stage}.epochs=1" for stage in ("baseline", "prune", "finetune")))


@pytest.mark.faults
def test_all_that_a_stage_runs_is_counted(ran: Ran, tmp_path: Path) -> None:
    """The oracle is Python's own profiler over a whole run."""
    made = run(tmp_path, *LEARNT)
    assert {"baseline", "prune", "finetune"} == ran.files.keys()
    for stage, files in ran.files.items():
        values = made.config if stage != "baseline" else {key: made.config[key] for key in ("data", "model")}
        counted = {sources.portable_name(path, ROOT) for path in sources.files(stage, values, ROOT)}
        ran_beside = {file for file in files - counted if not file.startswith((*HARMLESS, "tests/"))}
        assert ran_beside == set(), stage

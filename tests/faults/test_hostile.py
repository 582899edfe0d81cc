"""Names, files and settings that mean harm. Faults F1 to F8 of docs/faults.md that no other test has."""

import os
import re
import tomllib
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from experiments import program
from experiments.cli import commandline
from experiments.config.node import Node
from experiments.config.schema import Settings, Trainer
from experiments.config.targets import refuse_foreign
from experiments.config.typed import build, build_node
from experiments.system.checkout import ROOT
from experiments.system.console import console, log, replace_unprintable
from experiments.system.format import safe_file_name
from support.harness import Job
from support.tiny_run import config

KEY = "0123456789abcdef" * 2 + "01234567"
FOREIGN = [
    "torch.load",
    "torch.hub.load",
    "numpy.load",
    "os.system",
    "builtins.exec",
    "subprocess.run",
    "pruning.files.artifact.torch.load",
    "pruning.models.library.torchvision.models.resnet18",
    "pruning.files.durable.write",
    "pruning.models.registry.torch.hub.load",
    "datamodules.cifar_files.pickle.loads",
    "experiments.run.store.shutil.rmtree",
    "pruning_evil.run",
    "",
]


@pytest.mark.parametrize("target", FOREIGN)
@pytest.mark.parametrize("place", ["data", "model", "method", "objective", "budget"])
def test_only_what_belongs_there_is_called(place: str, target: str) -> None:
    with pytest.raises(ValueError, match=rf"{place}\._target_"):
        refuse_foreign(place, Node(target, {"path": "x"}))


@pytest.mark.parametrize(
    ("place", "values"),
    [
        ("data", {"_target_": "datamodules.digits.Digits", "mean": {"_target_": "datamodules.digits.Digits"}}),
        ("method", {"_target_": "pruning.methods.l1.L1", "budget": [{"_target_": "pruning.budget.PerLayer"}]}),
        ("method", {"_target_": {"_target_": "pruning.methods.l1.L1"}}),
        ("method", {"_target_": "pruning.budget.PerLayer"}),
    ],
)
def test_nothing_is_called_where_nothing_is_made(place: str, values: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="_target_"):
        refuse_foreign(place, build_node(values, place))


@pytest.mark.parametrize("kind", [Settings, Trainer])
def test_a_class_beside_the_five_nodes_is_an_unknown_key(kind: type) -> None:
    with pytest.raises(ValueError, match="_target_: no such key; known here are"):
        build(kind, {"_target_": "pruning.methods.l1.L1"})


def test_a_run_refuses_it_before_anything_is_called(tmp_path: Path) -> None:
    asked = ("model._target_=os.mkdir", f"+model.path={tmp_path / 'made'}")
    with pytest.raises(SystemExit, match=r"model\._target_=os\.mkdir: only classes defined in pruning\.models may"):
        commandline.run_and_exit(program.run, config(f"folder={tmp_path / 'run'}", *asked))
    assert not list(tmp_path.iterdir())


def test_a_package_of_the_users_own_is_named_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    node = Node("support.tiny_run.chain", {})
    refuse_foreign("model", node)
    monkeypatch.setenv("PRUNING_TARGETS", "tiny_running:other")
    with pytest.raises(ValueError, match="PRUNING_TARGETS=package"):
        refuse_foreign("model", node)


NAMES = ["../../x", "/etc/passwd", "a\0b", "x" * 300, "", "..", "a\nb", "con|<script>", "\x1b[31mred", "-rf", "~"]


@pytest.mark.parametrize("name", NAMES)
def test_a_runs_name_stays_one_short_plain_component(name: str, tmp_path: Path) -> None:
    safe = safe_file_name(name)
    assert re.fullmatch(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]{0,99}", safe)
    assert (tmp_path / safe).resolve().parent == tmp_path.resolve()


def test_a_hostile_name_makes_a_tame_folder(tmp_path: Path) -> None:
    made = program.run(config(f"folder={tmp_path / 'in'}", "name='../../<script>[red]\"|'"))
    assert made is not None
    assert made.name == '../../<script>[red]"|'
    assert {path.name for path in tmp_path.iterdir()} == {"in"}


def test_the_terminal_gets_no_orders_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    log("out[/x]/[red]\x1b[2J\x07\x9b31m<b>")
    assert capsys.readouterr().out == "out[/x]/[red]\N{REPLACEMENT CHARACTER}[2J\N{REPLACEMENT CHARACTER}" + (
        "\N{REPLACEMENT CHARACTER}31m<b>\n"
    )
    assert replace_unprintable("é, 中文, two\nlines") == "é, 中文, two\nlines"
    assert not console.is_terminal


def test_a_folder_with_markup_in_its_name_is_shown_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program.run(config(f'folder="{tmp_path}/[bold]a[/]"'))
    assert f"{tmp_path}/[bold]a[/]/l1-" in capsys.readouterr().out


@pytest.mark.faults
@pytest.mark.parametrize("mode", ["offline", "online"])
def test_the_key_is_in_no_file(tmp_path: Path, mode: str) -> None:
    """In the environment, in overrides, in the text of an exception."""
    env = {"WANDB_API_KEY": KEY, "WANDB_BASE_URL": "http://127.0.0.1:9"}
    leaks = (f"tracking.project={KEY}", f"tracking={mode}", f"choice.recipe={KEY}")
    Job(tmp_path / "run", *leaks, env=env).finish()
    failed = Job(tmp_path / "run", f"baseline={KEY}", env=env)
    assert failed.wait() == 2
    assert "baseline=*** is not a file" in failed.said()
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".wandb" for path in written)
    assert [path for path in written if KEY.encode() in path.read_bytes()] == []


@pytest.mark.parametrize(("mask", "others", "group"), [(0o027, 0, 0o040), (0o002, 0o004, 0o060)])
def test_file_modes_follow_the_umask(tmp_path: Path, mask: int, others: int, group: int) -> None:
    before = os.umask(mask)
    try:
        program.run(config(f"folder={tmp_path / 'run'}"))
    finally:
        os.umask(before)
    for path in (tmp_path / "run").rglob("*"):
        mode = path.stat().st_mode
        assert mode & 0o066 == (others | group), f"{path} {mode:o}"


def test_malicious_versions_are_excluded_by_name() -> None:
    asked = {each.name: each.specifier for each in declared()}
    assert not {"2.6.2", "2.6.3"} & set(asked["lightning"].filter(["2.6.1", "2.6.2", "2.6.3", "2.6.6"]))
    assert "2.6.6" in asked["lightning"]


def test_every_dependency_has_a_floor_that_is_met_here() -> None:
    for each in declared():
        assert any(part.operator == ">=" for part in each.specifier), f"{each.name} has no floor"
        assert each.specifier.contains(version(each.name), prereleases=True), each
    assert requires("torch")


def declared() -> list[Requirement]:
    with open(ROOT / "pyproject.toml", "rb") as file:
        return [Requirement(line) for line in tomllib.load(file)["project"]["dependencies"]]


LOADS = re.compile(r"(?:torch|np|numpy)\.load\([^\n]*(?:\n[^\n]*)?")
CODE = re.compile(r"pickle\.loads?\(|hub\.load|(?<![.\w])(?:eval|exec)\(|shell=True|yaml\.load\(")


def test_nothing_loads_a_pickle_with_code() -> None:
    """torch.load says weights_only=True, numpy.load says allow_pickle=False, and nothing runs what it read."""
    for path in (file for room in ("pruning", "datamodules", "experiments") for file in (ROOT / room).rglob("*.py")):
        source = path.read_text()
        for call in LOADS.findall(source):
            assert "weights_only=True" in call or "allow_pickle=False" in call, f"{path}: {call}"
        assert not CODE.search(source), path

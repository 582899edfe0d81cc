"""What a stranger's file may not have Hydra do. Each would make the folder `sprung`."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from omegaconf import DictConfig

from experiments.config import choices, hydra_targets, schema
from experiments.system.checkout import ROOT

FILES = {
    "callback": "hydra: {callbacks: {x: {_target_: os.mkdir, path: sprung}}}",
    "hidden": 'method: {_target_: os.mkdir, path: sprung}\nhydra: {callbacks: {x: "${method}"}}',
    "sampler": "hydra: {sweeper: {sampler: {_target_: os.mkdir, path: sprung}}}",
    "variable": "hydra: {job: {env_set: {PRUNING_TARGETS: os}}}",
    "logging": 'hydra: {job_logging: {root: {handlers: []}, formatters: {x: {"()": os.mkdir, path: sprung}}}}',
    "setup": "defaults: [{override /hydra/launcher: slurm}]\nhydra: {launcher: {setup: [mkdir sprung]}}",
    "lines": 'defaults: [{override /hydra/launcher: slurm}]\nhydra: {launcher: {partition: "a\\nmkdir b"}}',
    "folder": "hydra: {run: {dir: sprung}}",
    "target": "data: {_target_: os.mkdir, path: sprung}",
    "sweeps": 'hydra: {mode: MULTIRUN, sweeper: {params: {method: "l1,theirs"}}}',
    "good": 'hydra: {mode: MULTIRUN, sweeper: {params: {ratio: "0.1,0.2"}}}',
}
KEYS = {
    "callback": r"hydra\.callbacks\.x\._target_=os\.mkdir",
    "hidden": r"hydra\.callbacks\.x\._target_=os\.mkdir",
    "sampler": r"sampler",  # Hydra's basic sweeper has none
    "variable": r"hydra\.job\.env_set\.PRUNING_TARGETS=os stands in a file",
    "logging": r"hydra\.job_logging is changed by a file",
    "setup": r"hydra\.launcher\.setup\.0=mkdir sprung stands in a file",
    "lines": r"hydra\.launcher\.partition: a launcher's values are single lines",
    "folder": r"hydra\.run\.dir=sprung stands in a file",
    "target": r"data\._target_=os\.mkdir",
    "sweeps": r"hydra\.callbacks\.x\._target_=os\.mkdir",
}


@pytest.fixture
def strangers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    schema.register()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "theirs" / "experiment").mkdir(parents=True)
    for name, text in FILES.items():
        (tmp_path / "theirs" / "experiment" / f"{name}.yaml").write_text(f"# @package _global_\n{text}\n")
    (tmp_path / "theirs" / "method").mkdir()
    (tmp_path / "theirs" / "method" / "theirs.yaml").write_text(f"# @package _global_\n{FILES['callback']}\n")
    return f"--config-dir={tmp_path / 'theirs'}"


@pytest.mark.parametrize("name", KEYS)
def test_a_file_may_not_have_hydra_act(strangers: str, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        hydra_targets.check([strangers, f"experiment={name}"])
    said = capsys.readouterr().err or str(refused.value)
    assert re.search(KEYS[name], said)
    assert name == "sampler" or "\n" not in said


SWEEPS = [("-m", "experiment=good,callback"), ("-m", "experiment=glob(c*)"), ("-m", "ratio=0.1,0.2", "seed=1,2")]


@pytest.mark.parametrize("asked", SWEEPS)
def test_a_file_that_a_sweep_chooses_is_judged_too(strangers: str, asked: tuple[str, ...]) -> None:
    chosen = asked if "experiment" in asked[1] else (*asked, "experiment=callback")
    with pytest.raises(SystemExit, match=KEYS["callback"]):
        hydra_targets.check([strangers, *chosen])


def test_own_files_are_judged_here_and_not_at_every_start(strangers: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Six methods by two objectives: all are, once a stranger's file might be among them."""
    judged: list[DictConfig] = []
    refuse = hydra_targets.refuse_composition
    monkeypatch.setattr(hydra_targets, "refuse_composition", lambda whole: judged.append(whole) or refuse(whole))
    asked = ["-m", "experiment=compare/cifar10_vgg16"]
    hydra_targets.check(asked)
    assert len(judged) == 1
    hydra_targets.check([*asked, strangers])
    assert len(judged) == 1 + 1 + 12
    chosen = [each.hydra.runtime.choices for each in judged[2:]]
    assert len({(each.method, each.objective) for each in chosen}) == 12


@pytest.mark.parametrize("step", ["..", "../experiment/.."])
def test_a_file_reached_by_steps_out_of_our_folder_is_a_strangers(strangers: str, step: str) -> None:
    theirs = os.path.relpath("theirs/experiment/callback", choices.CONF / "experiment" / step)
    for asked in (f"experiment={step}/{theirs}", f"experiment=l1/vgg16_a,{step}/{theirs}"):
        with pytest.raises(SystemExit, match=f"{KEYS['callback']}|no such choice"):  # Hydra 1.4 takes no such steps
            hydra_targets.check(["-m", "seed=0,1", asked])


@pytest.mark.parametrize(
    ("override", "own"),
    [
        ("experiment=l1/vgg16_a", True),
        ("+experiment@_global_=l1/vgg16_a", True),
        ("hydra/launcher=slurm", True),
        ("hydra/launcher=joblib", False),  # a plugin would have it
        ("ratio=0.5", True),
        ("experiment=theirs", False),
        ("experiment='l1/vgg16_a'", False),  # as it is written, no file of that name
        ("experiment=l1/../l1/vgg16_a", False),
        ("experiment={theirs}/experiment/callback", False),
        ("hydra.searchpath=[file:///theirs]", False),
    ],
)
def test_what_leads_to_our_own_files_alone(strangers: str, override: str, own: bool) -> None:
    assert hydra_targets.is_our_file(override.format(theirs=Path("theirs").absolute())) == own


def test_run_py_refuses_before_hydra_calls(strangers: str) -> None:
    command = [sys.executable, str(ROOT / "run.py"), strangers, "experiment=callback"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("hydra.callbacks.x._target_=os.mkdir: only this program's own")
    assert {path.name for path in Path().iterdir()} == {"theirs"}


TYPED = [
    ("experiment=good",),
    ("hydra.run.dir=elsewhere",),
    ("hydra/job_logging=default", "+hydra.job.env_set.A=b"),
    ("-m", "hydra/launcher=slurm", "hydra.launcher.setup=[module load cuda]", "method=l1,random"),
    ("-m", "hydra.launcher.n_jobs=2", "ratio=interval(0,1)"),
]


@pytest.mark.parametrize("asked", TYPED)
def test_what_the_user_types_is_the_users(strangers: str, asked: tuple[str, ...]) -> None:
    hydra_targets.check([strangers, *asked])


FLAGS = [
    "--config-name=theirs",
    "-cp=elsewhere",
    "--experimental-rerun=config.pickle",
    "--experimental-r=config.pickle",
]


@pytest.mark.parametrize("flag", FLAGS)
def test_flags_that_take_another_programs_config_are_refused(flag: str) -> None:
    with pytest.raises(SystemExit, match="takes another program's config: add files of your own by --config-dir"):
        hydra_targets.check([flag, "method=l1"])


@pytest.mark.parametrize(
    ("asked", "form"), [(["--method=l1", "--ratio=0.5"], "method=l1"), (["--ratio", "0.5"], "ratio=VALUE")]
)
def test_hyphens_as_wandb_sweep_types_them_are_named(asked: list[str], form: str) -> None:
    with pytest.raises(SystemExit, match=rf"keys have no hyphens here: {form}; .*\$\{{args_no_hyphens\}}"):
        hydra_targets.check(asked)


def test_a_word_that_gives_no_value_is_named() -> None:
    with pytest.raises(SystemExit, match=r"^ratio: values are given as ratio=0\.5, without spaces; .* --help"):
        hydra_targets.check(["method=l1", "ratio", "=", "0.5"])


def test_a_switch_between_the_keys_is_named() -> None:
    with pytest.raises(SystemExit, match=r"^seed=1: a switch stands between the keys: put -m, .* before all of them$"):
        hydra_targets.check(["method=l1", "-m", "seed=1"])


def test_a_misspelt_choice_is_one_line() -> None:
    with pytest.raises(SystemExit, match=r"^method=fpgn: no such choice; did you mean fpgm\?$"):
        hydra_targets.check(["method=fpgn"])


@pytest.mark.parametrize("plain", [[], ["--run"], ["ratio=0.3", "experiment=l1/resnet56_a"], ["+data.death=no"]])
def test_what_one_run_is_composed_of_is_handed_back(plain: list[str]) -> None:
    schema.register()
    composition = hydra_targets.check([*plain, "method=fcf"])
    assert composition is not None
    assert composition.hydra.runtime.choices.method == "fcf"


@pytest.mark.parametrize(
    "more",
    [
        *(["--info"], ["--info=config"], ["-i"], ["--cfg", "job"], ["-c", "hydra"], ["--hydra-help"], ["--version"]),
        *(["--shell-completion"], ["--resolve"], ["--multirun"], ["-m"], ["method=fcf,l1"], ["hydra.mode=MULTIRUN"]),
        *(["hydra.job.chdir=true"], ["hydra.run.dir=elsewhere"], ["+hydra.job.env_set.S=two"]),
    ],
    ids=" ".join,
)
def test_whoever_asks_hydra_for_more_than_a_run_is_not_answered_by_a_finished_one(more: list[str]) -> None:
    schema.register()
    assert hydra_targets.check([*more, "ratio=0.3"]) is None


def test_an_argument_of_a_class_of_the_users_own_needs_a_plus() -> None:
    with pytest.raises(SystemExit, match=r"^objective\.gamma: no such key; an argument .* a plus: \+objective\.gamma="):
        hydra_targets.check(["objective._target_=myloss.Focal", "objective.gamma=1"])


def test_of_a_folder_of_the_users_own_the_misspelt_key_alone_is_named(tmp_path: Path) -> None:
    (tmp_path / "method").mkdir()
    (tmp_path / "method" / "mine.yaml").write_text("defaults: [l1, _self_]\npower: 2\n")
    with pytest.raises(SystemExit, match=r"^ratoi: no such key; did you mean ratio\?$"):
        hydra_targets.check(["--config-dir", str(tmp_path), "method=mine", "method.power=3", "ratoi=0.3"])
    with pytest.raises(SystemExit, match=r"^method=min: no such choice; did you mean mine\?$"):
        hydra_targets.check([f"--config-dir={tmp_path}", "method=min"])
    with pytest.raises(SystemExit, match=r"none is no folder: name the one that holds method/mine\.yaml"):
        hydra_targets.check([f"--config-dir={tmp_path / 'none'}", "method=mine"])


def test_whatever_else_does_not_compose_is_said_in_hydras_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as refused:
        hydra_targets.check(["method=l1", "~typo"])
    assert refused.value.code == 1
    assert "Could not delete from config. 'typo' does not exist." in capsys.readouterr().err

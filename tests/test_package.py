"""What pip installs: the same program within `pruning`, from any folder, beside folders of the user's own that have our
names. A wheel's layout is made of links here; .ci/run builds wheel and sdist and tries them."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import pruning
from experiments.config import sources
from experiments.system import checkout
from experiments.system.checkout import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
WHEEL = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]
STAGES = ("baseline", "prune", "finetune", "run")
TARGETS = {
    "data": {"_target_": "datamodules.digits.Digits"},
    "model": {"_target_": "pruning.models.resnet.resnet20"},
    "method": {"_target_": "pruning.methods.fcf.FCF"},
}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """The folder that the wheel is installed in, as pyproject.toml has it."""
    program = tmp_path / "site" / "pruning"
    program.mkdir(parents=True)
    for path in (ROOT / "pruning").iterdir():
        (program / path.name).symlink_to(path)
    for source, place in (WHEEL["sources"] | WHEEL["force-include"]).items():
        (program.parent / place).parent.mkdir(exist_ok=True)
        (program.parent / place).symlink_to(ROOT / source)
    return program.parent


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's own."""
    for name in ("experiments", "datamodules", "conf", "pruning"):
        (tmp_path / "work" / name).mkdir(parents=True)
        (tmp_path / "work" / name / "__init__.py").write_text(f"raise RuntimeError('the {name} of the user')\n")
    (tmp_path / "work" / "conf" / "config.yaml").write_text("ratio: 2\n")
    return tmp_path / "work"


def python(site: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {"PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1"}
    said = {"capture_output": True, "text": True}
    return subprocess.run([sys.executable, *arguments], cwd=folder, env=variables, **said)  # type: ignore[call-overload]


def test_an_installed_program_has_the_same_digests(site: Path, folder: Path) -> None:
    """So that a checkout's finished stages count for it, and it for them."""
    code = f"import sys; sys.path.insert(0, {str(site / 'pruning' / '_program')!r})\n"
    code += "from experiments.config.sources import digest_of_stage\n"
    code += f"print(*(digest_of_stage(stage, {TARGETS}) for stage in {STAGES}))"
    done = python(site, folder, "-c", code)
    assert done.stdout.split() == [sources.digest_of_stage(stage, TARGETS) for stage in STAGES], done.stderr


def test_it_runs_in_a_folder_that_has_our_names(site: Path, folder: Path) -> None:
    assert "cnn-pruning method=fcf model=vgg16" in python(site, folder, "-m", "pruning", "--help").stdout
    done = python(site, folder, "-m", "pruning", "-m", "ratio=1.5")
    assert "ratio must lie in [0, 1), got 1.5" in "".join(path.read_text() for path in folder.rglob("log.txt"))
    assert "RuntimeError" not in done.stdout + done.stderr
    report = python(site, folder, "-m", "pruning", "report")
    assert (folder / "outputs" / "report.html").exists(), report.stderr
    assert "cnn-pruning ratio=1.5" in (folder / "outputs" / "report.html").read_text()


def test_a_repository_around_it_is_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual environment often lies in the repository of the user's own work."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "theirs"], check=True)
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    assert checkout.commit()
    monkeypatch.setattr(checkout, "ROOT", tmp_path / "site")
    (tmp_path / "site").mkdir()
    assert checkout.commit() is None


def test_the_version_has_one_home() -> None:
    assert pruning.__version__ == PROJECT["project"]["version"]

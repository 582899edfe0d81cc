"""Secrets stay out of files, names and output; a reader of the output may go."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from experiments import program
from experiments.cli import commandline
from experiments.config import hydra_targets, schema
from experiments.config.refusal import Refusal
from experiments.records import record
from experiments.records.jobs import job_key
from experiments.sweep import task
from experiments.sweep.engines.local import Local
from experiments.system.redact import redact
from support.tiny_run import TINY, composed, config, whole_config

SECRETS = {"HF_TOKEN": "hf_Abc123", "AWS_SECRET_ACCESS_KEY": "wJalr/XU+tnFEMI", "MY_db_password": "hunter22"}


@pytest.fixture(autouse=True)
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a hf_Abc123 b", "a *** b"),
        ({"hf_Abc123": ["x hunter22"]}, {"***": ["x ***"]}),
        ({"api_key": "never seen"}, {"api_key": "***"}),
        ("+api_key=never ratio=0.5", "+api_key=*** ratio=0.5"),
        ("https://me:pass@host/a", "https://me:***@host/a"),
        ("me:pass@host.org", "me:***@host.org"),
        ("method/me:pass@host.org", "method/me:***@host.org"),
        ("wJalr%2FXU%2BtnFEMI", "***"),
        ("ratio=0.5 12:30 https://host/a a@b.org", "ratio=0.5 12:30 https://host/a a@b.org"),
        (0.5, 0.5),
    ],
)
def test_what_is_hidden(text: object, shown: object) -> None:
    assert redact(text) == shown
    assert redact(shown) == shown


def test_what_is_no_secret_stays(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSH_KEY_FILE", str(tmp_path))
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")
    assert redact(f"{tmp_path} false") == f"{tmp_path} false"
    assert job_key(["name=hf_Abc123"]) == job_key([redact("name=hf_Abc123")])  # a job is found by what is written of it


def test_a_secret_is_in_no_file_no_name_and_no_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = "name='${oc.env:HF_TOKEN} me:pass2word@host'", "choice.recipe=${oc.env:AWS_SECRET_ACCESS_KEY}"
    leaks = (
        *names,
        "tracking=offline",
        "tracking.group=${oc.env:MY_db_password}",
    )
    program.run(config(f"folder={tmp_path}", *leaks))
    said = capsys.readouterr()
    texts = {path: str(path).encode() + path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert any(path.suffix == ".wandb" for path in texts)
    for secret in (*SECRETS.values(), "pass2word"):
        assert [path for path, text in texts.items() if secret.encode() in text] == []
        assert secret not in said.out + said.err
    (path,) = tmp_path.glob("*/record.json")
    assert "choice.recipe=${oc.env:AWS_SECRET_ACCESS_KEY}" in record.read(path).command  # it can be given again
    with pytest.raises(Refusal, match=r"\(choice\.recipe: \$\{oc\.env:AWS_SECRET_ACCESS_KEY\} -> not given\)"):
        program.run(config(f"folder={tmp_path}", names[0]))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ('name: "${oc.env:QUOTED}"', r"^hydra\.sweeper\.params\.name=\$\{oc\.env:QUOTED\} cannot be read as values"),
        ('method: "l1,${oc.env:HF_TOKEN}"', r"Could not find 'method/\*\*\*'"),
        ('method: "l1,${oc.env:ADDRESS}"', r"Could not find 'method/me:\*\*\*@host\.org'"),
    ],
)
def test_what_a_file_sweeps_over_shows_no_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], params: str, said: str
) -> None:
    """Where its values are put in and read as Hydra will read them; no stream here is redacted."""
    schema.register()
    monkeypatch.setenv("QUOTED", "it's \"hush, (hush")
    monkeypatch.setenv("ADDRESS", "me:pass2word@host.org")
    (tmp_path / "experiment").mkdir()
    text = f"# @package _global_\nhydra: {{mode: MULTIRUN, sweeper: {{params: {{{params}}}}}}}\n"
    (tmp_path / "experiment" / "theirs.yaml").write_text(text)
    with pytest.raises(SystemExit) as refused:
        hydra_targets.check([f"--config-dir={tmp_path}", "experiment=theirs"])
    shown = capsys.readouterr().err + str(refused.value)
    assert re.search(said, shown)
    assert not re.search("hush|hf_Abc123|pass2word", shown)


def test_a_job_is_told_what_was_typed_and_finds_the_secret_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the list of processes nor a file of the sweep shows it."""
    whole = whole_config(f"folder={tmp_path}", "name=${oc.env:HF_TOKEN}")
    job = task.prepare(whole, tmp_path / "sweep" / "one")
    assert "name=${oc.env:HF_TOKEN}" in job.command
    own_process = replace(job, command=["true"], trainer={**job.trainer, "accelerator": "gpu"})  # none is forked then
    Local(n_jobs=1).run([own_process], report=print, tick=lambda: None)
    assert not any("hf_Abc123" in path.read_text() for path in tmp_path.rglob("*") if path.is_file())


def test_a_title_that_does_not_fit_shows_no_part_of_a_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A terminal's line would cut it in two, and no stream knows the halves."""
    monkeypatch.setenv("COLUMNS", "50")
    program.run(
        config(f"folder={tmp_path}", "plan=true", "name='a name that takes 45 of all columns, ${oc.env:HF_TOKEN}'")
    )
    said = capsys.readouterr().out
    assert "***" in said
    assert "hf_Abc123" not in "".join(said.split())


def test_a_network_named_by_a_secret_is_refused(tmp_path: Path) -> None:
    """What it is built of is written beside its weights, and must be read again."""
    tiny = [each for each in TINY if not each.startswith("model")]
    asked = composed(*tiny, f"folder={tmp_path}", "model=timm", "model.name=${oc.env:HF_TOKEN}")
    with pytest.raises(SystemExit, match=r"^model\.name=\*\*\* holds a secret"):
        commandline.run_and_exit(program.run, asked)


def test_a_folder_that_holds_a_secret_is_refused(tmp_path: Path) -> None:
    schema.register()
    with pytest.raises(SystemExit, match=r"folder=.*/\*\*\* holds a secret") as refused:
        hydra_targets.check([f"folder={tmp_path}/" + "${oc.env:HF_TOKEN}"])
    assert SECRETS["HF_TOKEN"] not in str(refused.value)
    assert not list(tmp_path.iterdir())


PRINTS = """
import sys
from experiments.system.redact import redact_output
redact_output()
print("before hf_Abc123", flush=True)
sys.stdin.readline()
print("after", flush=True)
sys.stderr.write("went on, hf_Abc123\\n")
raise SystemExit(0)
"""


def test_a_reader_that_has_gone_stops_nothing() -> None:
    pipe = subprocess.PIPE
    job = subprocess.Popen([sys.executable, "-c", PRINTS], stdin=pipe, stdout=pipe, stderr=pipe, text=True)
    assert job.stdin is not None
    assert job.stdout is not None
    assert job.stderr is not None
    assert job.stdout.readline() == "before ***\n"
    job.stdout.close()
    job.stdin.write("\n")
    job.stdin.close()
    assert job.stderr.read() == "went on, ***\n"
    assert job.wait() == os.EX_OK
    job.stderr.close()

"""`python -m experiments.report`: what it writes, what it says, how soon."""

import csv
import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.benchmarks.synthetic_runs import synthetic_record, write_runs
from experiments.records.metrics import encode
from experiments.report.__main__ import main
from experiments.report.analyse.configurations import Configuration
from experiments.report.load.runs import Run
from experiments.report.load.text import csv_cell, escape_markdown, printable, slug
from experiments.report.render.training_curves import Point, mean_series
from experiments.system.checkout import ROOT


def test_the_page_the_tables_and_the_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    write_runs(tmp_path, ("l1", "random"), (0.5,), range(2))
    assert main([str(tmp_path), "--markdown", "--csv", "--figures"]) == 0
    said = capsys.readouterr().out.split()
    assert said[:3] == [str(tmp_path / name) for name in ("report.html", "report.md", "report.csv")]
    assert (tmp_path / "report.md").read_text().count("resnet20") == 2
    drawings = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert {"resnet20-on-cifar10-macs-cut.png", "resnet20-on-cifar10-macs-cut.svg"} < set(drawings)
    svg = (tmp_path / "figures" / "resnet20-on-cifar10-macs-cut.svg").read_text()
    assert svg.startswith("<svg")
    assert "random" in svg
    assert (tmp_path / "figures" / "resnet20-on-cifar10-layers-50.png").read_bytes()[:4] == b"\x89PNG"


def test_a_line_of_csv_is_a_run_with_its_numbers(tmp_path: Path):
    write_runs(tmp_path, ("l1",), (0.5,), range(2))
    assert main([str(tmp_path), "--csv", "--out", str(tmp_path / "there" / "page.html")]) == 0
    first, second = csv.DictReader((tmp_path / "there" / "page.csv").read_text().splitlines())
    record = synthetic_record("l1", 0.5, 1)
    assert (first["seed"], second["seed"]) == ("0", "1")
    assert float(second["tuned"]) == record.tuned.accuracy
    assert float(second["change"]) == pytest.approx(record.tuned.accuracy - record.dense.accuracy)
    assert second["command"] == record.command


def test_hostile_names_in_tables(tmp_path: Path):
    record = synthetic_record("l1", 0.5, 0)
    replace(record, method="=cmd()|`<b>\n\x1b[31m").write(tmp_path / "record.json")
    assert main([str(tmp_path), "--markdown", "--csv"]) == 0
    (row,) = (tmp_path / "report.md").read_text().splitlines()[2:]
    assert "=cmd()\\|\\`&lt;b> " in row
    assert "\x1b" not in row
    (line,) = csv.DictReader((tmp_path / "report.csv").read_text().splitlines())
    assert line["method"].startswith("'=cmd()")


def test_a_single_record_has_its_page_beside_it_and_out_may_be_a_folder(tmp_path: Path):
    one, other = write_runs(tmp_path, ("l1", "random"), (0.5,), (0,))
    assert main([str(one / "record.json")]) == 0
    text = (one / "report.html").read_text()
    assert "l1-resnet20" in text or "method=l1" in text
    assert "method=random" not in text
    (tmp_path / "pages").mkdir()
    assert main([str(one / "record.json"), str(other / "record.json"), "--out", str(tmp_path / "pages")]) == 0
    assert "method=random" in (tmp_path / "pages" / "report.html").read_text()


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (["nowhere"], "nowhere does not exist: name the folder that holds the runs"),
        ([".", "--out", "text/page.html"], "text/page.html cannot be written: text is a file where a folder is needed"),
        (["text"], "unreadable: text: is not a whole record: JSONDecodeError"),
    ],
)
def test_what_cannot_be_done_is_said_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], asked: list[str], said: str
):
    write_runs(tmp_path, ("l1",), (0.5,), (0,))
    (tmp_path / "text").write_text("no record")
    monkeypatch.chdir(tmp_path)
    main(asked)
    assert capsys.readouterr().err.startswith(said)


def test_an_empty_folder_ends_with_one_line_and_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([str(tmp_path)]) == 1
    assert "no record in" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_what_is_left_out_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (folder,) = write_runs(tmp_path, ("l1",), (0.5,), (0,))
    words = dict.fromkeys(("command", "method", "model", "data", "digest", "host", "started"), "")
    figures = {"schema": 1, "pid": 1, "ended": None, "seed": 0, "ratio": 0.5}
    status = words | figures | {"state": "FAILED", "name": "it\x1b", "reason": "no memory"}
    (folder / "status.json").write_text(json.dumps(status))
    assert main([str(tmp_path)]) == 0
    assert capsys.readouterr().err == "FAILED: it\ufffd: no memory\n"


def test_it_starts_at_once_without_torch(tmp_path: Path):
    """The whole of it but the library of charts, which is bundled anew each time."""
    write_runs(tmp_path, ("l1",), (0.5,), (0,))
    code = (
        "import sys; from experiments.report import __main__\n"
        "from experiments.report.render import page, spreadsheet, figures; page.vega_library = lambda: ''\n"
        f"assert __main__.main([{str(tmp_path)!r}, '--csv', '--markdown']) == 0\n"
        "print([name for name in ('torch', 'lightning', 'wandb', 'hydra', 'matplotlib') if name in sys.modules])"
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
    assert time.perf_counter() - start < 10, "2 s on a quiet machine"


def test_curves_are_means_over_seeds_in_epochs_after_the_dense_network(tmp_path: Path):
    """FCF here learns for 2 epochs and is tuned for 3."""
    runs = []
    for seed, value in ((0, 0.2), (1, 0.4)):
        place = tmp_path / str(seed)
        place.mkdir()
        lines = [
            {"stage": "baseline", "step": 9, "val_accuracy": 0.9, "epoch": 0},
            {"stage": "prune", "step": 1, "val_accuracy": value, "rho": 2 * value, "loss": 1.0, "epoch": 1},
            {"stage": "finetune", "step": 1, "val_accuracy": 2 * value, "lr": 0.1, "epoch": 0},
            {"stage": "finetune", "step": 2, "val_accuracy": float("nan"), "epoch": 1},
        ]
        (place / "metrics.jsonl").write_bytes(encode(lines) + b'[]\n{"torn')
        runs.append(Run(synthetic_record("fcf", 0.5, seed), place / "record.json"))
    found = mean_series(Configuration("id", "fcf", tuple(runs)))
    assert [(point.figure, point.stage, point.epoch, round(point.value, 6)) for point in found] == [
        ("rho", "prune", 2.0, 0.6),
        ("val_accuracy", "finetune", 3.0, 0.6),
        ("val_accuracy", "prune", 2.0, 0.3),
    ]
    assert isinstance(found[0], Point)


def test_words():
    assert printable("a\nb\x1b[0m\u202ec" + "x" * 300).startswith("a b\ufffd[0m\ufffdcxxx")
    assert len(printable("x" * 300)) == 200
    assert escape_markdown("a|b`c<d\\") == "a\\|b\\`c&lt;d\\\\"
    assert [csv_cell(text) for text in ("=1", " +1", "-1", "@x", "plain")] == ["'=1", "' +1", "'-1", "'@x", "plain"]
    assert slug("../a b/<c>") == "a-b--c"

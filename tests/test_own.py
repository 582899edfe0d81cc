"""docs/own.md runs as printed, in order; its methods keep the contract, in few lines, from public names."""

import ast
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from experiments.system.checkout import ROOT
from pruning.testing import MethodContract

BLOCKS = re.findall(r"^```python\n(.+?)^```", (ROOT / "docs" / "own.md").read_text(), re.S | re.M)
METHODS = [block for block in BLOCKS if "(FilterMethod):" in block]
CONTRACT = next(block for block in BLOCKS if "(MethodContract):" in block)
PUBLIC = {"torch", "pruning", "pruning.budget", "pruning.methods", "pruning.testing"}
MOST_LINES = 35


def run(blocks: list[str], **values: Any) -> dict[str, Any]:
    names = {"__name__": "own", **values}
    for block in blocks:
        exec(compile(block, "docs/own.md", "exec"), names)
    return names


class TestMethodsOfThePage(run([*METHODS, CONTRACT])["TestMine"], MethodContract):  # type: ignore[misc]
    """With our own small networks."""


@pytest.mark.parametrize("block", [*METHODS, CONTRACT], ids=lambda block: re.findall(r"class (\w+)", block)[0])
def test_it_is_short_and_knows_public_names_only(block: str) -> None:
    tree = ast.parse(block)
    (made,) = (node for node in tree.body if isinstance(node, ast.ClassDef))
    docstring = made.body[0] if ast.get_docstring(made) else None
    lines = made.end_lineno - made.lineno + 1 - (docstring.end_lineno - docstring.lineno + 1 if docstring else 0)
    assert lines <= MOST_LINES
    assert {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)} <= PUBLIC
    assert {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names} <= PUBLIC
    assert not re.findall(r"\._[a-z]", block)
    format_ = [sys.executable, "-m", "ruff", "format", "--check", "-"]
    assert subprocess.run(format_, input=block, text=True, cwd=ROOT, capture_output=True).returncode == 0


def test_the_snippets_run_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not binary")  # a short loop
        made = run(BLOCKS)
    assert isinstance(made["small"].network, nn.Module)
    assert "certificate" in capsys.readouterr().out
    torch.testing.assert_close(made["again"](made["example"]).shape, torch.Size([1, 10]))
    assert (tmp_path / "net.onnx").exists()

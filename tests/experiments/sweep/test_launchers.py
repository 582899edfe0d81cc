"""A sweep on a cluster: what SLURM would be told, and the same machinery for real on this machine."""

import os
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from experiments.records import record
from support.sweeping import finish, start
from support.tiny_run import launcher

submitit = pytest.importorskip("submitit")
plugin = pytest.importorskip("hydra_plugins.hydra_submitit_launcher.config")


@pytest.mark.parametrize("name", ["submitit_local", "submitit_slurm"])
def test_a_launcher_composes_and_the_plugin_checks_its_keys(name: str) -> None:
    assert launcher(name)["timeout_min"] >= 240
    with pytest.raises(ConfigCompositionException, match="partitoin"):
        launcher(name, "hydra.launcher.partitoin=gpu")


def test_slurm_is_told_to_warn_in_time_and_to_put_the_job_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch script that submitit makes of the config, as its launcher hands it on."""
    for name in ("srun", "sbatch"):  # submitit looks for them before it writes
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    script = batch(launcher("submitit_slurm", "hydra.launcher.partition=gpu"), tmp_path)
    for line in ("partition=gpu", "signal=USR2@300", "requeue", "time=240", "gpus-per-node=1", "mem=32GB"):
        assert f"#SBATCH --{line}\n" in script


def batch(values: dict[str, Any], folder: Path) -> str:
    common = set(OmegaConf.structured(plugin.BaseQueueConf))
    executor = submitit.AutoExecutor(folder, cluster="slurm", slurm_max_num_timeout=values.pop("max_num_timeout"))
    values = {name: value for name, value in values.items() if name not in ("_target_", "submitit_folder")}
    executor.update_parameters(**{name if name in common else f"slurm_{name}": v for name, v in values.items()})
    return str(executor._executor._make_submission_file_text("command", "uid"))


@pytest.mark.sweeps
def test_jobs_of_submitit_share_each_seeds_dense_network(tmp_path: Path) -> None:
    """Four jobs at once; `dense` among them goes through the same pipe."""
    asked = ("method=dense,l1", "seed=0,1", "hydra/launcher=submitit_local")
    code, output = finish(start(tmp_path, *asked))
    assert code == 0, output
    assert "4 jobs: 4 done, 0 not" in output
    made = [record.read(path) for path in tmp_path.glob("*/record.json")]
    baselines = {(each.method, each.seed): each.stages[0].digest for each in made}
    assert baselines["dense", 0] == baselines["l1", 0]
    assert baselines["dense", 1] == baselines["l1", 1]
    assert len(list(tmp_path.glob("store/baseline-*/stage.json"))) == 2
    assert sorted(each.stages[0].reused for each in made) == [False, False, True, True]

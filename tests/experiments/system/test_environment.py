"""Variables of other programs are forgotten; those of who has launched this process are not."""

import pytest

from experiments.system import environment

HAND = {"LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
TORCHRUN = HAND | {"RANK": "1", "WORLD_SIZE": "2", "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "none"}
BATCH = {"SLURM_NTASKS": "2", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_JOB_NAME": "train"}
SRUN = BATCH | {"SLURM_STEP_NUM_TASKS": "2", "SLURM_PROCID": "1", "SLURM_LOCALID": "1"}


@pytest.mark.parametrize("launched", [HAND, TORCHRUN, SRUN])
def test_who_has_launched_this_process_is_believed(launched):
    variables = dict(launched)
    environment.forget_foreign_launchers(variables)
    assert variables == launched
    assert not environment.is_local_rank_zero(variables)


@pytest.mark.parametrize(
    ("there", "left"),
    [
        ({}, {}),
        ({"LOCAL_RANK": "1"}, {}),
        ({"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "node", "MASTER_PORT": "1"}, {}),  # PyTorch's operator
        ({"NODE_RANK": "1", "MASTER_ADDR": "node"}, {"NODE_RANK": "1", "MASTER_ADDR": "node"}),  # one node by hand
        (BATCH, {"SLURM_NTASKS": "2", "SLURM_LOCALID": "0", "SLURM_JOB_NAME": "interactive"}),
        ({"SLURM_STEP_NUM_TASKS": "1", "SLURM_PROCID": "0"}, {"SLURM_STEP_NUM_TASKS": "1"}),  # srun of one task
        ({"TORCHELASTIC_RUN_ID": "none"}, {}),
        ({"PL_TRAINER_MAX_STEPS": "1", "PL_GLOBAL_SEED": "1"}, {"PL_GLOBAL_SEED": "1"}),
    ],
)
def test_what_is_about_others_is_forgotten(there, left):
    variables = dict(there)
    environment.forget_foreign_launchers(variables)
    assert variables == left
    assert environment.is_local_rank_zero(variables)

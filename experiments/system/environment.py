"""What the environment says of other programs, forgotten before a library takes it for this run's. Imports no torch.

A batch script, an allocation or a container has variables of launchers that did not launch this process. Lightning
would wait for processes that nobody starts, or take this one for another's helper, and write nothing.
"""

import sys
from collections.abc import Mapping, MutableMapping

BY_HAND = {"LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"}  # torchrun sets them too, and a run for its further processes
TASK_COUNTS = ("SLURM_STEP_NUM_TASKS", "JSM_NAMESPACE_SIZE")  # of the srun or jsrun that has started this process
RANKS = (
    *("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "TORCHELASTIC_RUN_ID"),
    *("JSM_NAMESPACE_RANK", "JSM_NAMESPACE_LOCAL_RANK", "SLURM_PROCID"),
)
RENDEZVOUS = ("MASTER_ADDR", "MASTER_PORT")
TRAINER_DEFAULTS = (
    "PL_TRAINER_"  # Lightning's own, for what we leave open: would change numbers that no record explains
)


def forget_foreign_launchers(variables: MutableMapping[str, str]) -> None:
    for name in [name for name in variables if name.startswith(TRAINER_DEFAULTS)]:
        del variables[name]
    if is_launched(variables):
        return
    for name in (*RANKS, *(() if "NODE_RANK" in variables else RENDEZVOUS)):
        variables.pop(name, None)
    if "SLURM_NTASKS" in variables:
        variables["SLURM_JOB_NAME"] = "interactive"  # to Lightning: an allocation, but no srun


def is_launched(variables: Mapping[str, str]) -> bool:
    """As one of several processes of one run, by srun, jsrun, torchrun, by hand or by the first of them."""
    return variables.keys() >= BY_HAND or any(variables.get(name, "1") not in ("", "0", "1") for name in TASK_COUNTS)


def is_local_rank_zero(variables: Mapping[str, str]) -> bool:
    """Of the processes on this machine."""
    return not is_launched(variables) or variables.get("LOCAL_RANK", variables.get("SLURM_LOCALID", "0")) == "0"


def replace_unencodable() -> None:
    """A terminal that lacks a character gets a question mark, and the run goes on."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")

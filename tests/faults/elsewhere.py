"""A machine that is nobody's, all at once. `python tests/faults/elsewhere.py FOLDER COMMAND...` runs a command there,
as another user where this one is root; FOLDER is made and may be thrown away."""

import os
import shutil
import sys
from pathlib import Path

NOBODY = 65534
READS = (
    "+dac_read_search"  # all that root may read, for the interpreter may lie in root's home; and writes nothing of it
)
ANOTHER_USER = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
ANOTHER_USER += (f"--inh-caps={READS}", f"--ambient-caps={READS}")
CLUSTER = {  # a batch script of two nodes with four tasks each, which srun has not started
    "SLURM_JOB_ID": "1234567",
    "SLURM_JOB_NAME": "train",
    "SLURM_NTASKS": "8",
    "SLURM_NTASKS_PER_NODE": "4",
    "SLURM_NNODES": "2",
    "SLURM_NODELIST": "node[01-02]",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_NODEID": "0",
    "LSB_JOBID": "7",
    "LSB_DJOB_RANKFILE": "/nowhere",
    "JSM_NAMESPACE_SIZE": "1",
    "JSM_NAMESPACE_RANK": "0",
    "JSM_NAMESPACE_LOCAL_RANK": "0",
}
STRAY = {  # of a container that was made for another program, and of Lightning's own command line
    "RANK": "3",
    "WORLD_SIZE": "8",
    "LOCAL_RANK": "1",
    "MASTER_PORT": "1",
    "TORCHELASTIC_RUN_ID": "none",
    "PL_GLOBAL_SEED": "7",
    "PL_TRAINER_ACCUMULATE_GRAD_BATCHES": "2",
    "PL_TRAINER_GRADIENT_CLIP_VAL": "1e-9",
}
TRACKING = {
    "WANDB_API_KEY": "0" * 40,
    "WANDB_BASE_URL": "http://127.0.0.1:9",
    "WANDB_MODE": "online",
    "WANDB_RESUME": "must",
    "WANDB_RUN_ID": "taken",
    "WANDB_NAME": "another",
    "WANDB_PROJECT": "another",
    "WANDB_TAGS": "a,b",
    "WANDB_DIR": "/nowhere",
    "WANDB_SILENT": "false",
}
DEAD = "http://user:word@127.0.0.1:9"
LOCAL = {
    "HYDRA_FULL_ERROR": "1",
    "PYTHONWARNINGS": "error",
    "LC_ALL": "C",
    "LANG": "tr_TR.ISO-8859-9",  # not installed, as often after ssh
    "FORCE_COLOR": "1",
    "COLUMNS": "20",
    **{name: DEAD for each in ("http_proxy", "https_proxy", "all_proxy") for name in (each, each.upper())},
}
ASCII = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # with LC_ALL=C: files and terminal have 128 characters


def environment(folder: Path) -> dict[str, str]:
    """What to add to this one's. The folder gets a srun that must not be called, a home, and a place for temporary
    files, whose path lacks an umlaut: the tests' overrides would need quotes."""
    places = {name: folder / f"{name} of another {'x' * 60}" for name in ("bin", "home", "tmp")}
    places["home"] = folder / "home of Jürgen (1)"
    for place in places.values():
        place.mkdir(parents=True)
    (places["bin"] / "srun").write_text("#!/bin/sh\necho srun was called >&2\nexit 1\n")
    (places["bin"] / "srun").chmod(0o755)
    path = f"{places['bin']}{os.pathsep}{os.environ['PATH']}"
    return (
        CLUSTER | STRAY | TRACKING | LOCAL | {"PATH": path, "HOME": str(places["home"]), "TMPDIR": str(places["tmp"])}
    )


def main(folder: str, *command: str) -> None:
    os.environ.update(environment(Path(folder)))
    if os.getuid() == 0:
        for path in (Path(folder), *Path(folder).rglob("*")):
            shutil.chown(path, NOBODY, NOBODY)
        command = (*ANOTHER_USER, *command)
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""Jobs as an array of SLURM's. The queue says what still runs or comes again, a file of each job how it left; neither
needs accounting. No torch."""

import re
import shlex
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import final

from experiments.config.refusal import single_line
from experiments.records import jobs, status
from experiments.records.jobs import Job
from experiments.sweep import task
from experiments.sweep.engines import Engine
from experiments.sweep.task import Task
from experiments.system import preemption
from experiments.system.console import log
from experiments.system.locks import hold_lock
from pruning.files import durable

EXIT = "exit"  # of a job's folder: the code with which its process left
LONGEST_ARRAY = 1000  # SLURM's MaxArraySize is 1001 unless a cluster says otherwise
TICK = 1.0  # seconds

SCRIPT = """#!/bin/bash
{options}
folder=$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {listing})
exec >> "$folder/log.txt" 2>&1
rm -f "$folder/exit"
{setup}
srun --ntasks=1 bash "$folder/job.sh"
code=$?
if [ $code = {leaves} ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {max_requeues} ]; then
  scontrol requeue "$SLURM_JOB_ID" && exit 0
fi
echo $code > "$folder/exit"
exit $code
"""


@dataclass(frozen=True)
class Asked:
    """conf/hydra/launcher/slurm.yaml."""

    partition: str | None
    account: str | None
    qos: str | None
    constraint: str | None
    gpus_per_node: int | str | None
    cpus_per_task: int | None
    mem_gb: float | None
    timeout_min: int | None
    signal_delay_s: int
    max_requeues: int
    array_parallelism: int
    poll_s: float
    setup: Sequence[str]
    additional_parameters: Mapping[str, object]


def make(**values: object) -> Engine:
    return Slurm(Asked(**values))  # type: ignore[arg-type]


@final
class Slurm(Engine):
    def __init__(self, asked: Asked) -> None:
        self.asked = asked
        self.options: dict[str, object] = {}

    def refuse(self, trainer: Mapping[str, object]) -> None:
        """By SLURM's own word, which it gives without a job."""
        if shutil.which("sbatch") is None:
            raise ValueError("hydra/launcher=slurm needs SLURM's commands: sbatch is not found on this machine")
        if trainer["num_nodes"] != 1:
            raise ValueError(f"trainer.num_nodes={trainer['num_nodes']}: a job of a sweep on SLURM takes one node")
        self.options = sbatch_options(self.asked, gpus_of_job(self.asked, trainer))
        words = [f"--{name}" if value is True else f"--{name}={value}" for name, value in self.options.items()]
        answer = run_command("sbatch", "--test-only", *words, "--wrap=true")
        if answer.returncode:
            reason = answer.stderr.strip().splitlines()[0].removeprefix("sbatch: error: ")
            raise ValueError(
                f"SLURM takes no such job: {single_line(reason)}; what it was asked for stands under hydra.launcher: "
                f"{' '.join(words)}"
            )

    def run(self, tasks: Iterable[Task], report: Callable[[Job], None], tick: Callable[[], None]) -> None:
        all_tasks = list(tasks)
        if not all_tasks:
            return
        sweep = all_tasks[0].folder.parent
        with hold_lock(sweep / "slurm"), preemption.postpone_exit():
            open_jobs: dict[str, tuple[Task, Job]] = {}
            try:
                open_jobs |= adopt(all_tasks)
                adopted = {each.folder for each, _ in open_jobs.values()}
                left = iter([each for each in all_tasks if each.folder not in adopted])
                while part := list(islice(left, LONGEST_ARRAY)):
                    open_jobs |= self.submit(part, sweep / "slurm")
                self.follow(open_jobs, report, tick)
            finally:
                if open_jobs:
                    log_running_on(open_jobs)

    def submit(self, tasks: Sequence[Task], folder: Path) -> dict[str, tuple[Task, Job]]:
        listing = folder / f"{time.time_ns()}.txt"
        durable.write(listing, "".join(f"{each.folder}\n" for each in tasks).encode())
        for each in tasks:
            task.clear(each)
            (each.folder / EXIT).unlink(missing_ok=True)
            durable.write(each.folder / "job.sh", job_script(each).encode())
        durable.write(listing.with_suffix(".sh"), self.array_script(listing, len(tasks)).encode())
        answer = run_command("sbatch", "--parsable", str(listing.with_suffix(".sh")))
        if answer.returncode:
            raise ValueError(f"SLURM did not take the jobs: {answer.stderr}")
        array = answer.stdout.strip().partition(";")[0]
        submitted = {f"{array}_{number}": each for number, each in enumerate(tasks)}
        attempts = {name: replace(task.new_job(each, jobs.WAITING), scheduler=name) for name, each in submitted.items()}
        for name, each in submitted.items():
            jobs.write(each.folder, attempts[name])
        return {name: (each, attempts[name]) for name, each in submitted.items()}

    def array_script(self, listing: Path, count: int) -> str:
        options = {**self.options, "array": f"0-{count - 1}%{self.asked.array_parallelism}", "output": "/dev/null"}
        return SCRIPT.format(
            options="\n".join(option_line(name, value) for name, value in options.items()),
            listing=shlex.quote(str(listing)),
            setup="\n".join(self.asked.setup or ()),
            leaves=preemption.EXIT_CODE,
            max_requeues=self.asked.max_requeues,
        )

    def follow(
        self, open_jobs: dict[str, tuple[Task, Job]], report: Callable[[Job], None], tick: Callable[[], None]
    ) -> None:
        """Until none is in the queue. What is put back into it, by whomever, is waited for."""
        missing: set[str] = set()  # at the last look: what a job wrote last may come late over a network
        while open_jobs and preemption.request.signal_name is None:
            queue = read_queue()
            for name in [name for name in open_jobs if queue is not None]:
                each, attempt = open_jobs[name]
                if queue and name in queue:
                    open_jobs[name] = each, update_state(each, attempt, queue[name], report)
                elif name in missing or (each.folder / EXIT).exists():
                    report(end(each, open_jobs.pop(name)[1]))
                else:
                    missing.add(name)
            pause(self.asked.poll_s if open_jobs else 0, tick)


def gpus_of_job(asked: Asked, trainer: Mapping[str, object]) -> int | None:
    if asked.gpus_per_node != "auto":
        return int(asked.gpus_per_node or 0) or None
    if trainer["accelerator"] not in ("auto", "gpu", "cuda"):
        return None
    words = ["--partition", asked.partition] if asked.partition else []
    offered = "gpu" in run_command("sinfo", "--noheader", "--format=%G", *words).stdout
    if not offered and trainer["accelerator"] == "auto":
        return None
    try:
        return int(str(trainer["devices"]))
    except ValueError:
        raise ValueError(
            f"trainer.devices={trainer['devices']} does not say how many GPUs a job takes: give "
            "hydra.launcher.gpus_per_node="
        ) from None


def sbatch_options(asked: Asked, gpus: int | None) -> dict[str, object]:
    options = {
        "job-name": "cnn-pruning",
        "partition": asked.partition,
        "account": asked.account,
        "qos": asked.qos,
        "constraint": asked.constraint,
        "gpus-per-node": gpus,
        "nodes": 1,
        "ntasks": 1,
        "cpus-per-task": asked.cpus_per_task,
        "mem": asked.mem_gb and f"{round(1024 * asked.mem_gb)}M",
        "time": asked.timeout_min,
        "signal": f"USR2@{asked.signal_delay_s}",
        "requeue": True,
    }
    return {name: value for name, value in {**options, **asked.additional_parameters}.items() if value is not None}


def option_line(name: str, value: object) -> str:
    return f"#SBATCH --{name}" if value is True else f"#SBATCH --{name}={shlex.quote(str(value))}"


def job_script(each: Task) -> str:
    """The environment is that of sbatch, which is ours."""
    variables = [f"export {name}={shlex.quote(value)}" for name, value in each.variables.items()]
    return "\n".join([*variables, f"cd {shlex.quote(each.cwd)}", f"exec {shlex.join(each.command)}", ""])


def run_command(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True)


def read_queue() -> dict[str, str] | None:
    """Of this user: each job's state. None where the controller does not answer: it may come back."""
    answer = run_command("squeue", "--me", "--array", "--noheader", "--format=%i %T")
    if answer.returncode:
        log(f"SLURM does not answer, and is asked again: {answer.stderr.strip()}", "yellow")
        return None
    return dict(line.split() for line in answer.stdout.splitlines())  # type: ignore[misc]


def adopt(tasks: Sequence[Task]) -> dict[str, tuple[Task, Job]]:
    """What an earlier driver has submitted, and is still in the queue."""
    queue = read_queue() or {}
    earlier = [(each, jobs.read_job(each.folder)) for each in tasks]
    adopted = {job.scheduler: (each, job) for each, job in earlier if job and job.scheduler in queue}
    if adopted:
        log(f"{len(adopted)} jobs are in SLURM's queue already: waiting for them")
    return adopted


def update_state(each: Task, attempt: Job, queued: str, report: Callable[[Job], None]) -> Job:
    state = status.RUNNING if queued in ("RUNNING", "COMPLETING", "CONFIGURING") else jobs.WAITING
    if state == attempt.state:
        return attempt
    attempt = replace(attempt, state=state)
    jobs.write(each.folder, attempt)
    report(attempt)
    return attempt


def end(each: Task, attempt: Job) -> Job:
    """Of a job that is not in the queue any more; the first word on what has not come to its end is SLURM's."""
    job = task.end(each, attempt, exit_code(each, attempt))
    verdict = scheduler_verdict(attempt.scheduler) or memory_verdict(each.log)
    if job.state == status.COMPLETED or not verdict:
        return job
    job = replace(job, reason=f"{verdict} in SLURM (job {attempt.scheduler}): {job.reason}")
    jobs.write(each.folder, job)
    return job


def exit_code(each: Task, attempt: Job) -> int:
    """Below 0 by a signal. Without a word of its script, which SLURM ends too, by what the run has left."""
    if (each.folder / EXIT).exists():
        code = int((each.folder / EXIT).read_text().strip() or 1)
        return code if code in range(129) or code == preemption.EXIT_CODE else 128 - code
    run = jobs.announced_run(each.folder)
    run_state = jobs.run_status(each.folder, run, attempt)
    if jobs.is_complete(each.folder, run):
        return 0
    return -signal.SIGTERM if run_state and run_state.state == status.PREEMPTED else -signal.SIGKILL


def scheduler_verdict(name: str) -> str:
    """CANCELLED, OUT_OF_MEMORY, NODE_FAIL, ...; nothing where that tells no more, or SLURM has forgotten it."""
    words = run_command("scontrol", "--oneliner", "show", "job", name).stdout.split()
    state = next((word.partition("=")[2] for word in words if word.startswith("JobState=")), "")
    return "" if state in ("COMPLETED", "FAILED") else state


def memory_verdict(log_file: Path) -> str:
    """By the log, where the job's script has outlived its step."""
    text = log_file.read_text(errors="replace") if log_file.exists() else ""
    return (
        "OUT_OF_MEMORY"
        if re.search(r"^slurmstepd\S*: error: .*(exceeded memory limit|oom[-_]kill)", text, re.M)
        else ""
    )


def pause(seconds: float, tick: Callable[[], None]) -> None:
    until = time.monotonic() + seconds
    while preemption.request.signal_name is None and (left := until - time.monotonic()) > 0:
        tick()
        time.sleep(min(left, TICK))


def log_running_on(open_jobs: Mapping[str, object]) -> None:
    arrays = sorted({name.partition("_")[0] for name in open_jobs})
    log(
        f"{len(open_jobs)} jobs run on in SLURM: the same command follows them again, scancel {' '.join(arrays)} stops "
        "them",
        "yellow",
    )

"""Ray's engine on jobs of a second, without torch: python ray_jobs.py FOLDER ADDRESS [SIGINT|SIGTERM].

Without a signal each job ends as its name says; else all wait until they are asked to leave, and the signal comes to
this process when two run.
"""

import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from experiments.records import jobs
from experiments.sweep.engines import ray
from experiments.sweep.task import Task
from experiments.system import preemption

ENDS = {
    "good": "import time; time.sleep(4)",
    "kill": "import os, time; time.sleep(3); os.kill(os.getpid(), 9)",
    "words": "import sys; sys.exit('no licence')",
    "last": "import os; print(os.environ['OWN'])",
}
WAITS = """
import signal, sys, time
def leave(number, frame):
    print("preempted by SIGTERM: with a checkpoint")
    sys.exit(143)
signal.signal(signal.SIGTERM, leave)
print("up", flush=True)
time.sleep(300)
"""


def task_of(sweep: Path, name: str, code: str) -> Task:
    command, trainer = [sys.executable, "-c", code], {"accelerator": "cpu", "devices": 1}
    return Task(sweep / name, [name], command, {"OWN": name}, "/", name, "", True, False, False, trainer)


def raise_when_two_run(tasks: list[Task], name: str) -> None:
    while sum(task.log.exists() and "up" in task.log.read_text() for task in tasks) < 2:
        time.sleep(0.1)
    os.kill(os.getpid(), signal.Signals[name])


def main(folder: Path, address: str, name: str | None = None) -> None:
    init = {"num_cpus": 2} if address == "local" else {}
    engine = ray.make(init=init, options={}, address=address, num_cpus="auto", num_gpus="auto")
    engine.refuse({"accelerator": "cpu", "devices": 1})
    preemption.install_handlers()
    codes = {str(number): WAITS for number in range(5)} if name else ENDS
    tasks = [task_of(folder / "sweep" / "abc", each, code) for each, code in codes.items()]
    if name:
        threading.Thread(target=raise_when_two_run, args=(tasks, name), daemon=True).start()
    left = None
    try:
        engine.run(iter(tasks), lambda job: None, lambda: None)
    except (KeyboardInterrupt, preemption.Preempted) as error:
        left = type(error).__name__
    ended = [job for task in tasks if (job := jobs.load_stored(task.folder))]
    print(json.dumps({"left": left, "jobs": [asdict(job) for job in ended]}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])

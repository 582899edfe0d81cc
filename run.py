"""python run.py method=fcf model=vgg16; --help for the choices, -m for a sweep."""

import os
import sys

os.environ.setdefault(
    "GOMP_SPINCOUNT", "0"
)  # before torch loads: spinning OpenMP threads lose 3 to 10 times beside a busy process

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA begins: else cuBLAS may add in any order

from experiments.cli import help
from experiments.system import environment, interrupt, redact
from experiments.system.activity import activity

SWEEP = ("-m", "--multirun")

if __name__ == "__main__":
    environment.forget_foreign_launchers(os.environ)
    environment.replace_unencodable()
    redact.redact_output()
    if help.is_requested(sys.argv[1:]):
        print(help.text(sys.argv[1:]))
    else:
        interrupt.answer_at_once()
        with activity.shown():
            if not any(word.startswith("-") for word in sys.argv[1:] if word not in SWEEP):  # --cfg has its own words
                activity.begin("reading the settings")
            from experiments import program  # Hydra loads here

            program.start(sys.argv[1:])

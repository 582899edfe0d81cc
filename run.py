"""python run.py method=fcf model=vgg16; --help for the choices, -m for a sweep."""

import os
import sys

os.environ.setdefault(
    "GOMP_SPINCOUNT", "0"
)  # before torch loads: spinning OpenMP threads lose 3 to 10 times beside a busy process

os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # before CUDA begins: else cuBLAS may add in any order

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from experiments.cli import commandline
from experiments.config import choices, hydra_targets, schema
from experiments.config.refusal import refusals
from experiments.config.suggestions import suggestions_for
from experiments.sweep import launch
from experiments.system import environment, preemption, redact

schema.register()
choices.register()


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(config: DictConfig) -> None:
    if HydraConfig.get().mode == RunMode.MULTIRUN:
        launch.run_job(config)
    else:
        commandline.run_and_exit(experiment, config)


def experiment(config: DictConfig) -> None:
    with refusals():
        schema.check(schema.plain(config))
    from experiments.pipeline import run  # torch loads here, neither for --help nor for a value that is refused

    run(config)


if __name__ == "__main__":
    environment.forget_foreign_launchers(os.environ)
    environment.replace_unencodable()
    redact.redact_output()
    commandline.check_quotes(sys.argv[1:])
    try:
        hydra_targets.check(sys.argv[1:])
        main()
    except preemption.Preempted:  # a sweep: its children have been asked, and have answered
        sys.exit(preemption.EXIT_CODE)
    except KeyboardInterrupt:
        sys.exit(f"\n{preemption.add_remedy('interrupted')}")
    except SystemExit as left:
        if left.code == 1:  # Hydra's way to say no; its words do not say what was meant
            sys.stderr.writelines(f"{line}\n" for line in suggestions_for(sys.argv[1:]))
        raise

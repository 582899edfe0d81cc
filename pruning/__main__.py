"""The command cnn-pruning, or `python -m pruning`: a run from any folder, or one of the programs `report`,
`store` and `workspace`.

An installed program lies within this package: a folder `experiments` of its own, in the place where packages are
installed, would break every research repository that has one.
"""

import os
import runpy
import sys
from pathlib import Path

PACKAGE = Path(__file__).parent
ROOT = PACKAGE / "_program" if (PACKAGE / "_program").is_dir() else PACKAGE.parent  # installed, or a checkout
OTHERS = {name: f"experiments.{name}" for name in ("report", "store", "workspace")}


def main() -> None:
    set_path()
    os.environ["CNN_PRUNING_COMMAND"] = "cnn-pruning"  # what a record says, and how a sweep starts its jobs
    if sys.argv[1:] and sys.argv[1] in OTHERS:
        runpy.run_module(OTHERS[sys.argv.pop(1)], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(str(ROOT / "run.py"), run_name="__main__")


def set_path() -> None:
    """The program's folders before the user's, who may have an `experiments` too, and his files last: a `pruning` of
    his must not be taken for ours. By PYTHONPATH for what is started by other means, such as submitit's workers."""
    if not sys.flags.safe_path:
        del sys.path[0]  # the folder of the command, or with -m the current one
    sys.path[:] = [str(ROOT), *(path for path in sys.path if path != str(ROOT)), os.getcwd()]
    users = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path not in ("", str(ROOT))]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(ROOT), *users])
    os.environ["PYTHONSAFEPATH"] = "1"


if __name__ == "__main__":
    main()

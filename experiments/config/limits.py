"""What values may be, beyond their types: the rules that `schema.check` knows. Imports no torch."""

from typing import Any

SEEDS = 2**32
PROJECT_LACKS, PROJECT_LONGEST = "/\\#?%:", 128


def check_recipe(found: dict[str, Any]) -> None:
    if found["recipe.batch"] < 1:
        raise ValueError(f"recipe.batch must be 1 or more, got {found['recipe.batch']}")
    for stage in ("baseline", "prune", "finetune"):
        if found[f"recipe.{stage}.momentum"] >= 1:
            raise ValueError(
                f"recipe.{stage}.momentum must lie in [0, 1), got {found[f'recipe.{stage}.momentum']:g}: from 1 on "
                "steps grow without end"
            )
    if found["recipe.scale"] <= 0:
        raise ValueError(f"recipe.scale must be above 0, got {found['recipe.scale']:g}")
    for path, value in found.items():
        if path.startswith("recipe.") and isinstance(value, int | float) and value < 0:
            raise ValueError(f"{path} must be 0 or more, got {value:g}")


def check_seeds(found: dict[str, Any]) -> None:
    """Of the run, the data and a method: random filters make one number of seed and layer, 64 bits in all."""
    for path, value in found.items():
        if path.rpartition(".")[2] == "seed" and isinstance(value, int) and not 0 <= value < SEEDS:
            raise ValueError(f"{path} must lie in 0 ... {SEEDS - 1}, got {value}: for example {path}=0")


def check_images(data: dict[str, Any]) -> None:
    """What every data set of ours is normalised by and holds out; how many images there are is known later."""
    ours = str(data.get("_target_")).startswith("datamodules.")
    for name in ("mean", "std"):
        value = data.get(name)
        if not (ours or isinstance(value, list)) or name not in data:  # a data set of the user's own has its own form
            continue
        if not (isinstance(value, list) and len(value) == 3 and all(type(each) in (int, float) for each in value)):
            raise ValueError(f"data.{name} must be three numbers, of red, green and blue, got {value}")
        if name == "std" and min(value) <= 0:
            raise ValueError(
                f"data.std must be above 0 in each of three colours, got {value}: images are divided by it"
            )
    val = data.get("val", 0)
    if type(val) in (int, float) and (val < 0 or (type(val) is float and val >= 1)):
        raise ValueError(
            f"data.val must be a share in [0, 1) or a count of images, got {val}: give for example data.val=0.1, "
            "data.val=500, or data.val=0 to train on all"
        )


def check_scan(scan: dict[str, Any]) -> None:
    if not scan["ratios"]:
        raise ValueError("scan.ratios must name a ratio or more, got []: for example scan.ratios=[0.3,0.5]")
    for ratio in scan["ratios"]:
        if not 0 <= ratio < 1:
            raise ValueError(f"each of scan.ratios must lie in [0, 1), got {ratio:g}")


def check_tracking(tracking: dict[str, Any]) -> None:
    """W&B's own rules, which it tells when a run has begun already."""
    project = tracking["project"]
    wrong = [mark for mark in PROJECT_LACKS if mark in project]
    if wrong or not 0 < len(project) <= PROJECT_LONGEST:
        what = f"has {wrong[0]!r}" if wrong else f"has {len(project)} characters"
        raise ValueError(
            f"tracking.project={project[:40]} {what}: W&B takes names of 1 to {PROJECT_LONGEST} characters without "
            f"{' '.join(PROJECT_LACKS)}"
        )

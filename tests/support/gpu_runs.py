"""What a run on a GPU is asked for: each method, where, in which precision, compiled or not."""

import torch

LONG = ("recipe.prune.epochs=38", "method.lr=0.1")
METHODS = {
    "dense": ("method=dense",),
    "random": ("method=random",),
    "l1": ("method=l1",),
    "fcf": ("method=fcf", *LONG),
    "gradual": ("method=gradual", *LONG),
    "group2d": ("method=group2d", "recipe.prune.epochs=2"),
    "group2d, ladder": ("method=group2d", "recipe.prune.epochs=2", "method.levels=3"),
    "group2d, lasso": ("method=group2d", "recipe.prune.epochs=2", "method.learn=lasso"),
}


def asked(device: torch.device, method: str, precision: str, compiled: bool = False) -> tuple[str, ...]:
    where = (f"trainer.accelerator={device.type}", f"trainer.precision={precision}", f"trainer.compile={compiled}")
    return (*METHODS[method], *where)

"""A program: another's module, in two processes that begin with different weights, is cut in the middle of its fit."""

import os
import sys
import warnings

import torch
from lightning import Trainer

from pruning import PruningCallback
from support.modules import MultiLabel, batches


def main(method: str) -> None:
    torch.manual_seed(int(os.environ.get("LOCAL_RANK", 0)))
    module = MultiLabel()
    for parameter in module.parameters():
        parameter.data.add_(0.01 * torch.randn_like(parameter))
    moment = {"at_epoch": 1} if method == "l1" else {"epochs": 1}
    callback = PruningCallback(method, layer=0.5, network="net", **moment)
    names = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary")
    quiet = dict.fromkeys(names, False)
    trainer = Trainer(max_epochs=2, accelerator="cpu", devices=2, strategy="ddp", callbacks=[callback], **quiet)
    trainer.fit(module, batches(300 if method == "fcf" else 8))
    weights = torch.cat([parameter.detach().flatten() for parameter in module.parameters()])
    total = weights.double().sum().item().hex()
    print(f"rank {trainer.global_rank}: {len(weights)} weights, {total}\n", end="", flush=True)  # in one write


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1])

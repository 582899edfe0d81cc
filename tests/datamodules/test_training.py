"""Under Lightning's Trainer: epochs in order, and a resume in the middle of one."""

import hashlib

import pytest
import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint


class Watch(LightningModule):
    """Trains one number and remembers which batches it saw."""

    def __init__(self, ask_early: bool) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.ask_early, self.seen = ask_early, []

    def setup(self, stage: str) -> None:
        if self.ask_early:
            _ = self.trainer.estimated_stepping_batches

    def training_step(self, batch, index):
        images, labels = batch
        content = images.contiguous().numpy().tobytes() + labels.numpy().tobytes()
        self.seen.append((self.current_epoch, index, hashlib.sha256(content).hexdigest()))
        return self.weight * images.mean()

    def validation_step(self, batch, index):
        assert len(batch[0])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)


class Die(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, module, batch, index) -> None:
        if trainer.global_step == self.step:
            raise KeyError("killed")


def trainer(folder, *callbacks) -> Trainer:
    return Trainer(
        accelerator="cpu",
        max_epochs=3,
        reload_dataloaders_every_n_epochs=1,
        default_root_dir=folder,
        logger=False,
        callbacks=[ModelCheckpoint(folder, "{step}", every_n_train_steps=1, save_top_k=-1), *callbacks],
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )


@pytest.mark.filterwarnings("ignore:.*LeafSpec")  # Lightning, of torch
@pytest.mark.filterwarnings("ignore:Checkpoint directory .* is not empty")  # it holds the killed run
@pytest.mark.parametrize("ask_early", [False, True])
@pytest.mark.parametrize("step", [2, 7, 9])
def test_a_resume_sees_the_batches_that_were_left(digits, tmp_path, step, ask_early):
    whole = Watch(ask_early)
    trainer(tmp_path / "whole").fit(whole, datamodule=digits(batch=200))  # 6 batches an epoch
    killed = Watch(ask_early)
    with pytest.raises(KeyError, match="killed"):
        trainer(tmp_path / "killed", Die(step)).fit(killed, datamodule=digits(batch=200))
    resumed = Watch(ask_early)
    checkpoint = tmp_path / "killed" / f"step={step}.ckpt"
    trainer(tmp_path / "killed").fit(resumed, datamodule=digits(batch=200), ckpt_path=checkpoint)
    assert killed.seen + resumed.seen == whole.seen
    assert len({content for _, _, content in whole.seen}) == 18
    torch.testing.assert_close(resumed.weight, whole.weight, rtol=0, atol=0)

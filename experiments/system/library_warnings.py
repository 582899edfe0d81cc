"""What libraries say about themselves, kept from the user; each with the reason why it is no news here."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

SUPPRESSED = (  # (message, why it is no news here)
    (r"The '\w+_dataloader' does not have many workers", "batches are made in memory, by whole batches"),
    (
        r"The number of training batches \(\d+\) is smaller than the logging interval",
        "every epoch logs its own figures",
    ),
    (r"Checkpoint directory .* exists and is not empty", "that is how a killed stage goes on"),
    (r"It is recommended to use `self.log\('(val|train)_accuracy", "they are counted over all processes"),
    (r"Detected call of `lr_scheduler.step\(\)` before", "float16 leaves out steps until its scale fits"),
    (r"Found \d+ module\(s\) in eval mode", "a network's parts that are frozen on purpose"),
    (r"The `srun` command is available on your system but is not used", "a run is one process unless srun starts more"),
    (r"GPU available but not used", "trainer.accelerator=cpu asks for that"),
    (r"`isinstance\(treespec, LeafSpec\)` is deprecated", "between lightning and torch, not ours"),
)


@contextmanager
def suppress_warnings() -> Iterator[None]:
    """No wall of words: Lightning's notices about itself, and the warnings of SUPPRESSED."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message, _ in SUPPRESSED:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)

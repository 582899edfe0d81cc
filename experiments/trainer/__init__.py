"""What a Lightning Trainer is given: checkpoints, logger, progress, processes, precision."""

"""A run's own files to W&B. The only folder that imports wandb."""

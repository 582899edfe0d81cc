"""hydra/sweeper=optuna: what to try next is proposed from what came out. Imports no torch."""

"""The machine under a run: console, signals, locks, secrets, GPUs, hardware. Knows no other folder here."""

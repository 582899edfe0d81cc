"""Every speed claim as a program: `python -m experiments.benchmarks.NAME [--out FILE.json]`."""

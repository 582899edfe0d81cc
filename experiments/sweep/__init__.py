"""The jobs of a multirun: each a process of its own, watched and summed up. Imports no torch."""

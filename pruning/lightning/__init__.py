"""Pruning in a Lightning Trainer: a method's verbs, each at its moment."""

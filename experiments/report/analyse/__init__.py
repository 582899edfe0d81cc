"""Runs to claims: rows, intervals, fairness, verdicts."""

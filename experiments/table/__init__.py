"""program=table: many cuts and repairs of one dense network, measured and never trained."""

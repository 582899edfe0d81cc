"""One run up to its trained networks: its context, what is tried before, stages, their store."""

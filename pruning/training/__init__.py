"""One network trained for one objective by one recipe. No word about pruning."""

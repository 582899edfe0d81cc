"""Files to runs: what was found, what is wrong with it, and by which keys it is compared."""

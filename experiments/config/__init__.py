"""What a user may ask for: types, rules, refusals, digests. Imports no torch."""

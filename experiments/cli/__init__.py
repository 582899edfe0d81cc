"""What a user reads at the door and at the end of a run. Imports no torch."""

"""What is written down: records, status, jobs, metrics; to and from JSON. Imports no torch."""

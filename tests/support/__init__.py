"""What tests share: tiny runs, networks, oracles, and what goes wrong around them. A config names its classes as
`support.tiny_run.chain`."""

"""A network on a machine: eight-bit integers, what runs it, and how long that takes."""

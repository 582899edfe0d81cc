"""From records to what people read. Imports no torch."""

"""What was made, measured and written: figures, the record, the network in its folder."""

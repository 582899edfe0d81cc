"""Claims to what people read: page, charts, tables."""

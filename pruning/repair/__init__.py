"""What is mended without training between removal and fine-tuning: norm statistics, least squares, merging."""

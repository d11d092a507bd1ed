"""Room: dataset."""

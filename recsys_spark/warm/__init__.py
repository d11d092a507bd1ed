"""Room: warm."""

"""Room: vectors."""

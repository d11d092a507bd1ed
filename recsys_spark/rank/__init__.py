"""Room: rank."""

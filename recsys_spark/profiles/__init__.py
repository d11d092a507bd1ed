"""Room: profiles."""

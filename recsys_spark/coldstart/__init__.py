"""Room: coldstart."""

"""One script per step: settings, session, read, call one room, write. Only jobs compose rooms."""

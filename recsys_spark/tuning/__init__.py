"""Which settings this shop's own data prefers, found within a time budget."""

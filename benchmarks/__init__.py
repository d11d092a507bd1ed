"""Ratios against named baselines; ``make bench`` runs all of them."""

"""Counts what is in texts."""

"""Verdicts on built images."""

"""A type-checked build language for container images."""

__version__ = "0.1.0"

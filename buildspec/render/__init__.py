"""A Plan in, text out: Dockerfile and bake definition."""

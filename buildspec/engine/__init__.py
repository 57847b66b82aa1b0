"""The only part that talks to Docker, registries and the operating system."""

"""What leaves the machine: tags, pushes, and going back."""

"""Text in, a typed Spec out."""

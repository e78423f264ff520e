"""Text and photos to numbers."""

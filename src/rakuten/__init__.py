"""Multimodal product classification in production."""

__version__ = "0.1.0"

"""The stack without containers."""

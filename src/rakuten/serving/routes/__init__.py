"""Routes, a module for each group."""

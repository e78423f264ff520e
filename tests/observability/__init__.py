"""Tests of what watches the project."""

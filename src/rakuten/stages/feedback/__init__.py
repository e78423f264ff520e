"""Corrected labels on their way from the prediction store back into training."""

"""The prediction service: the live model, and the HTTP API around it."""

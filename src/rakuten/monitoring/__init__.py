"""Monitoring: whether traffic still looks like what the model was measured on."""

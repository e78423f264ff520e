"""The prediction service: an HTTP interface over the live model and the prediction store."""

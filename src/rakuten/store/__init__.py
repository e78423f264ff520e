"""The prediction store: what was answered, what people said of it, and who may ask."""

"""Catalogues: reading, checking, splitting, importing and making them."""

"""Steps that bring a database to the tables of :mod:`rakuten.store.tables`; Alembic walks them."""

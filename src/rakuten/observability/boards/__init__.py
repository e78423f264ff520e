"""What each dashboard shows: one module a dashboard, from top to bottom."""

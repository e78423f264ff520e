"""What watches the project: dashboards as typed Python, from which files are written."""

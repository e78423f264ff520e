"""What MLflow remembers: runs, their lineage, and the model as a pyfunc."""

"""What is deployed: compose files, images, and the scripts that they run."""

"""The stack without containers: services of ``docker-compose.yml`` as processes on loopback."""

"""Real servers on loopback for tests: each is a process of its own, ended with its children."""

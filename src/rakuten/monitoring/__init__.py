"""What live traffic and people's labels say of the live model, and what follows from it."""

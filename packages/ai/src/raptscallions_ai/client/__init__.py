"""The clients, and what every client has in common."""

"""What is kept, for how long, and how it goes: deletion, retention, and the erasure of a user."""

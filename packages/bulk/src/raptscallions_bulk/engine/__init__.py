"""The run itself: who is asked when, what becomes of it, and what is done about it."""

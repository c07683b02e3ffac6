"""What the records of a journal add up to: the state of each row, and money."""

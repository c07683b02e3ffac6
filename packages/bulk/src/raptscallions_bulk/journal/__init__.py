"""What is on the disk of a run: a journal of records, and the answers that they point at."""

"""The changes that lead from an empty database to today's tables, in order."""

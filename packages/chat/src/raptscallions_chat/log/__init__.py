"""The log of live runs and the signals between processes: in memory, or in Redis."""

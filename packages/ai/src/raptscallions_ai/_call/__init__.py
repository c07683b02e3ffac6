"""One call over all its attempts: time, retries, routes and what has happened so far. Private."""

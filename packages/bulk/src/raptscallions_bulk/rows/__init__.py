"""Where rows come from, and what is asked of each."""

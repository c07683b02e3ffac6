"""The catalogue of faults, scored: which faults count, how clients in other environments are asked, the page."""

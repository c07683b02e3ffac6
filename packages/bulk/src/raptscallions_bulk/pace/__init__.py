"""How fast a run asks: a window of open requests and a rate, both learned; no I/O, and every clock is an argument."""

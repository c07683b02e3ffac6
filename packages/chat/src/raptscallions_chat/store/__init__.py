"""The store: every table, and the short transactions that read and write them."""

"""The command `raptscallions-ai bulk`; it needs the extra `cli`: ``pip install 'raptscallions-bulk[cli]'``."""

"""`python -m raptscallions_ai.cli` is the command `raptscallions-ai`."""

from raptscallions_ai.cli import main

if __name__ == "__main__":
    main()

"""What both test trees share."""

import gc


def pytest_collection_finish() -> None:
    """Spare thousands of collected tests every garbage collection that a test asks for."""
    gc.freeze()

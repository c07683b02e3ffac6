"""The part of `filetype` that is used here; it ships no types of its own."""

class Type:
    """A type that has a signature."""

    mime: str
    extension: str

def guess(obj: bytes) -> Type | None: ...
def get_type(mime: str | None = None, ext: str | None = None) -> Type | None: ...

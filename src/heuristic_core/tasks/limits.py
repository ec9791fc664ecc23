"""Limits on the size of files, which are read into memory."""

from __future__ import annotations

from ..errors import InputError

#: The largest official file has half a million rows and half a gigabyte.
MOST_ROWS = 10_000_000
#: Uncompressed.
MOST_BYTES = 4 * 2**30


def too_large(shown: str) -> InputError:
    """Build the error for a file of too many rows or bytes."""
    return InputError(
        f"{shown} has more than {MOST_ROWS} rows or unpacks to more than {MOST_BYTES} bytes, which "
        "is the limit; give fewer rows"
    )

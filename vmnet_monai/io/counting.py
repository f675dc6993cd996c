"""A file of which a limited number of parts is read: parsers in Python take at least one read for each part.

So it bounds the time and memory of Pillow's and pydicom's parsers, which follow chunks, segments and elements however
many there are and however short.
"""

from __future__ import annotations

import io
import math
import os

from vmnet_monai.errors import UnreadableImageError

__all__ = ["CountedFile", "TooManyPartsError"]


class TooManyPartsError(UnreadableImageError):
    """Raised by :meth:`CountedFile.read`."""


class CountedFile(io.BufferedReader):
    """A file that is open for reading, without limit until :meth:`allow`.

    Args:
        path: the file.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        super().__init__(open(path, "rb", buffering=0))  # noqa: SIM115
        self.allow()

    def allow(self, reads: float = math.inf, size: float = math.inf) -> None:
        """Let so much be read from now on.

        Args:
            reads: calls of :meth:`read`.
            size: bytes, however often one is read.
        """
        self._most_reads, self._reads, self._bytes = reads, reads, size

    def read(self, size: int | None = -1, /) -> bytes:
        """Read as any file does.

        Raises:
            TooManyPartsError: if more is read than was allowed.
        """
        content = super().read(size)
        self._reads -= 1
        self._bytes -= len(content)
        if self._reads < 0 or self._bytes < 0:
            raise TooManyPartsError(
                f"the header consists of too many or too large parts (at most {self._most_reads:,} are read): export "
                "the image again, without data that are no image."
            )
        return content

"""Which photographs were begun and not ended, in a module that a process of its own imports at once."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["FINISHED", "MAX_ATTEMPTS", "Attempts"]

MAX_ATTEMPTS = 3
"""Times that an input is begun before it counts as one that ends its process: twice by chance, as when two machines
are taken away in the midst of it, is rare."""

FINISHED = -1
"""In place of a count, of an input that is done."""


class Attempts:
    """Counts how often each input was begun without an end; lives in a process of its own beside the driver."""

    def __init__(self) -> None:
        self._begun: dict[str, int] = {}

    def begin(self, names: Sequence[str]) -> list[int]:
        """Note that inputs are begun, and return how often each was before; :data:`FINISHED` where it was ended."""
        before = [self._begun.get(name, 0) for name in names]
        for name, count in zip(names, before, strict=True):
            if count != FINISHED:
                self._begun[name] = count + 1
        return before

    def undo(self, names: Sequence[str]) -> None:
        """Take back that inputs were begun, of which others in the same batch may have ended the process."""
        for name in names:
            self._begun[name] -= 1

    def end(self, names: Sequence[str]) -> None:
        """Note that inputs are done, whatever became of them."""
        self._begun |= dict.fromkeys(names, FINISHED)

"""Says the error that a user can act on last, however many errors MONAI wraps around it.

Importing this module installs a hook for errors that nothing catches: the configs of the bundle import it, so that
``python -m monai.bundle`` and ``torchrun`` end as ``vmnet`` does. Where an error is wrapped in others, the traceback is
followed by one line with the error behind it; other errors, and programs that catch them, notice nothing.
"""

from __future__ import annotations

import sys
from types import TracebackType

from vmnet_monai.errors import error_line, root_cause, tell_torchrun

__all__ = ["install", "tell_last"]

_earlier_hook = sys.excepthook


def install() -> None:
    """Put :func:`tell_last` before the hook for uncaught errors, once."""
    global _earlier_hook
    if sys.excepthook is not tell_last:
        _earlier_hook, sys.excepthook = sys.excepthook, tell_last


def tell_last(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Show the traceback as before, then in one line the error that others are wrapped around.

    Args:
        kind: class of the error.
        error: the outermost error.
        trace: its traceback.
    """
    _earlier_hook(kind, error, trace)
    if not isinstance(error, Exception):  # such as Ctrl-C
        return
    cause = root_cause(error)
    tell_torchrun(cause)
    if cause is not error:
        sys.stdout.flush()
        print(error_line(cause), file=sys.stderr, flush=True)


install()

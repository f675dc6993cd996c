"""Errors about a photograph, and what is behind an error that MONAI or a data loader wrapped."""

from __future__ import annotations

__all__ = ["PhotographError", "root_cause"]

_PACKAGE = __name__.partition(".")[0]


class PhotographError(ValueError):
    """Base of the errors that a photograph is at fault for: another one may do."""


def root_cause(error: BaseException) -> BaseException:
    """Return the innermost error of this package behind an error, whose message is meant for the user.

    MONAI's transforms wrap every error in ``RuntimeError("applying transform ...")``. Errors are followed as a
    traceback shows them: to the ``__cause__``, or where there is none to the ``__context__`` unless it is suppressed.

    Returns:
        The innermost error whose class is defined in this package; where there is none, the innermost of all.
    """
    chain: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and all(inner is not seen for seen in chain):
        chain.append(inner)
        suppressed = inner.__cause__ is not None or inner.__suppress_context__
        inner = inner.__cause__ if suppressed else inner.__context__
    own = [one for one in chain if type(one).__module__.partition(".")[0] == _PACKAGE]
    return (own or chain)[-1]

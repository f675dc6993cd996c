"""Errors about a photograph, and what is behind an error that MONAI or a data loader wrapped."""

from __future__ import annotations

__all__ = ["MAX_PIXELS", "TOO_LARGE", "PhotographError", "UnreadablePictureError", "check_size", "root_cause"]

MAX_PIXELS = 100_000_000
"""Most pixels of a picture; a larger one is refused before it is decoded. As the float32 RGB that MONAI's LoadImage
makes of it, such a picture takes 1.2 GB. A 60-megapixel camera stays well below."""

TOO_LARGE = f"the picture has more than {MAX_PIXELS:,} pixels, the most that is read: scale it down"
"""What is said about such a picture."""

_PACKAGE = __name__.partition(".")[0]


class PhotographError(ValueError):
    """Base of the errors that a photograph is at fault for: another one may do."""


class UnreadablePictureError(PhotographError):
    """Raised when a picture cannot be read; the message names the file, what is wrong with it, and the remedy."""


def check_size(width: int, height: int) -> None:
    """Refuse a picture by its size, which its header tells before anything is decoded.

    Raises:
        UnreadablePictureError: if it has no pixel, or more than :data:`MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise UnreadablePictureError(f"{TOO_LARGE}; it has {width} x {height}.")
    if width * height == 0:
        raise UnreadablePictureError(f"the picture has no pixels, it is {width} x {height}: export it again.")


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

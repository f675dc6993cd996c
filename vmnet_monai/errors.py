"""Errors about an image, the original errors behind those that MONAI wraps, and how an error is told."""

from __future__ import annotations

import errno
import functools
import json
import os
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import ParamSpec

P = ParamSpec("P")

__all__ = [
    "MAX_PIXELS",
    "TOO_LARGE",
    "ImageError",
    "UnreadableImageError",
    "check_size",
    "error_line",
    "error_reason",
    "missing_package",
    "plain_errors",
    "refuse_renamed",
    "renamed_arguments",
    "root_cause",
    "tell_torchrun",
    "unwritten",
]

MAX_PIXELS = 100_000_000
"""Most pixels of an image; a larger one is refused before it is decoded. As the float32 RGB that MONAI's LoadImage
makes of it, such an image takes 1.2 GB. A 60-megapixel camera stays well below."""

TOO_LARGE = f"the image has more than {MAX_PIXELS:,} pixels, the most that is read: scale it down"
"""Message about such an image."""

_FULL = {errno.ENOSPC, errno.EDQUOT}
"""What the system says of a disk that is full, or a quota that is used up."""

_PACKAGE = __name__.partition(".")[0]

_TORCHRUN_FILE = "TORCHELASTIC_ERROR_FILE"
"""Environment variable by which torchrun tells a process where to leave its error for the summary."""

_WORKER = "DataLoader worker process"
"""What stands in the message of an error that PyTorch hands over from a process that loads data."""


class ImageError(ValueError):
    """Base of the errors that the image itself causes; other images are not affected."""


class UnreadableImageError(ImageError):
    """Raised when an image cannot be read; the message names the file, what is wrong with it, and the remedy."""


def check_size(width: int, height: int) -> None:
    """Refuse an image by its size, which its header states before anything is decoded.

    Raises:
        UnreadableImageError: if it has no pixel, or more than :data:`MAX_PIXELS`.
    """
    if width * height > MAX_PIXELS:
        raise UnreadableImageError(f"{TOO_LARGE}; it has {width} x {height}.")
    if width * height == 0:
        raise UnreadableImageError(f"the image has no pixels, it is {width} x {height}: export it again.")


def root_cause(error: BaseException) -> BaseException:
    """Return the error behind an error whose message is meant for the user.

    MONAI's transforms wrap every error in ``RuntimeError("applying transform ...")``, its configs in
    ``RuntimeError("Failed to instantiate component ...")``. Errors are followed as a traceback shows them: to the
    ``__cause__``, or where there is none to the ``__context__`` unless it is suppressed.

    Returns:
        The outermost error of this package, whose class is defined here or which a line of this package raised: what
        lies below it is what it explains. Where there is none, the innermost of all.
    """
    chain: list[BaseException] = []
    inner: BaseException | None = error
    while inner is not None and all(inner is not seen for seen in chain):
        chain.append(inner)
        suppressed = inner.__cause__ is not None or inner.__suppress_context__
        inner = inner.__cause__ if suppressed else inner.__context__
    return next(filter(_is_own, chain), chain[-1])


def _is_own(error: BaseException) -> bool:
    """Whether the class of an error is defined in this package, or a line of it raised the error."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    modules = [type(error).__module__, *(str(frame.f_globals.get("__name__")) for frame in frames[-1:])]
    return any(module.partition(".")[0] == _PACKAGE for module in modules)


def error_line(error: BaseException) -> str:
    """Say an error in one line, as every door says it last; that of a full disk with the remedy.

    Args:
        error: from :func:`root_cause`. The class is left out where it says nothing: of what a user can mend, which is
            raised as OSError or ValueError with a whole sentence.

    Example:
        >>> error_line(ValueError("grid_size must be positive, got 0: give\\n another one."))
        'error: grid_size must be positive, got 0: give another one.'
        >>> error_line(MemoryError("out of memory"))
        'error: MemoryError: out of memory'
    """
    return f"error: {error_reason(error)}"


def error_reason(error: BaseException) -> str:
    """Say an error as :func:`error_line` does, without the word in front: for tables and sentences.

    Args:
        error: likewise.

    Example:
        >>> error_reason(ValueError("grid_size must be positive, got 0: give\\n another one."))
        'grid_size must be positive, got 0: give another one.'
    """
    if isinstance(error, OSError) and error.errno in _FULL:
        error = unwritten(error.filename2 or error.filename or "a file", error)
    text = str(error)
    if _WORKER in text:  # PyTorch puts the traceback of a loading process into the message; its last line is the error
        text = text.rstrip().rpartition("\n")[2].partition(": ")[2]
    named = "" if text and isinstance(error, OSError | ValueError) else f"{type(error).__name__}: "
    return f"{named}{' '.join(text.split())}".removesuffix(": ")


def unwritten(path: str | os.PathLike[str], error: OSError) -> OSError:
    """Return the error that names a file or folder that cannot be written, what is kept, and the remedy.

    Args:
        path: the file or folder.
        error: of the system, which names no file where a disk is full, or a temporary one.
    """
    named = type(error)(
        f"{os.fspath(path)} could not be written ({error.strerror}). What was finished before is kept: free space or "
        "mend the folder, and run the same command again."
    )
    named.strerror = error.strerror  # for those that say it in their own sentence
    return named


def tell_torchrun(error: BaseException) -> None:
    """Leave the line for torchrun, whose own summary of a failed process comes last; without torchrun do nothing."""
    path = os.environ.get(_TORCHRUN_FILE)
    if path:
        line = {"message": error_line(error), "timestamp": int(time.time())}
        with suppress(OSError):  # the line stands above torchrun's summary in any case
            Path(path).write_text(json.dumps(line), encoding="utf-8")


@contextmanager
def plain_errors() -> Iterator[None]:
    """Raise the original error in place of those that MONAI wraps around it."""
    try:
        yield
    except Exception as error:
        cause = root_cause(error)
        if cause is error:
            raise
        raise cause from None


def refuse_renamed(**old_values: object) -> None:
    """Refuse config keys under the names that they had in an earlier version; a config hands over their values.

    Args:
        old_values: new name -> the value under the old name, None where it is not set.

    Raises:
        ValueError: naming the new key.

    Example:
        >>> refuse_renamed(dataset_name=None)
    """
    for name, value in old_values.items():
        if value is not None:
            raise ValueError(
                f"the config key that held {value!r} is called {name} since version 0.6.0: pass it as `--{name}`, and "
                "rename it in your overlays, see CHANGELOG.md."
            )


def renamed_arguments(**names: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Refuse arguments of a class under the names that they had in an earlier version; a decorator of ``__init__``.

    Args:
        names: old name -> new name.

    Example:
        >>> class Loss:
        ...     @renamed_arguments(vessel_weight="segmentation_weight")
        ...     def __init__(self, segmentation_weight: float = 1.0) -> None: ...
        >>> Loss(vessel_weight=2.0)
        Traceback (most recent call last):
        ValueError: the argument vessel_weight is called segmentation_weight since version 0.6.0: rename it.
    """

    def decorate(init: Callable[P, None]) -> Callable[P, None]:
        @functools.wraps(init)
        def checked(*args: P.args, **kwargs: P.kwargs) -> None:
            for old, new in names.items():
                if old in kwargs:
                    raise ValueError(f"the argument {old} is called {new} since version 0.6.0: rename it.")
            init(*args, **kwargs)

        return checked

    return decorate


def missing_package(user: str, package: str, extra: str) -> ImportError:
    """Return the error of a package that is not installed.

    Args:
        user: what needs it, such as ``"the runtime onnx"``.
        package: its name.
        extra: the extra of this package that installs it.
    """
    return ImportError(f'{user} needs the package {package}: install it with `pip install "vmnet_monai[{extra}]"`.')

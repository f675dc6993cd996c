"""What the decoding of one file may take: bytes that a header may claim, memory and seconds.

A few bytes may claim a gigabyte, so every size is checked before anything is allocated for it. What no header bounds is
decoded in a process of its own (:mod:`vmnet_monai.io.apart`), in which :func:`allow` works.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from vmnet_monai.errors import UnreadableImageError

if sys.platform != "win32":
    import resource

__all__ = [
    "MAX_DECODED_BYTES",
    "MAX_FILE_BYTES",
    "MAX_SAMPLES_PER_PIXEL",
    "MAX_WAITING_SECONDS",
    "allow",
    "check_decoded_bytes",
    "lift_limits",
    "limit_this_process",
]

MAX_DECODED_BYTES = 800_000_000
"""Most bytes of a decoded image or volume: 100 million pixels of four samples of 16 bits."""

MAX_FILE_BYTES = 2_000_000_000
"""Most bytes of a file, some of which are read whole; 100 million pixels of 16-bit colour take 0.6 GB uncompressed."""

MAX_SAMPLES_PER_PIXEL = 4
"""Red, green, blue and transparency; or cyan, magenta, yellow and black."""

MAX_WAITING_SECONDS = 300
"""Most seconds that are waited for a file that is decoded apart, whatever else the machine does meanwhile."""

_FIXED_SECONDS, _MAX_SECONDS = 20, 120
_SECONDS_PER_BYTE = 1e-6
"""Processor time for each decoded byte: three times what JPEG 2000 takes, the slowest format."""

_FIXED_BYTES = 300_000_000
"""Memory that decoders may take whatever they decode: libraries, tables, and 8 MB of a deflated header."""

_COPIES = 8
"""Memory for each decoded byte. Decoders of JPEG 2000 hold 32 bits for each 8, and the result is copied."""

_STATM = Path("/proc/self/statm")

_is_limited = False


def check_decoded_bytes(size: int) -> None:
    """Refuse what its header says to be too large once it is decoded.

    Args:
        size: pixels times samples times bytes of a sample.

    Raises:
        UnreadableImageError: if it exceeds :data:`MAX_DECODED_BYTES`.
    """
    if size > MAX_DECODED_BYTES:
        raise UnreadableImageError(
            f"decoded, the image may take {MAX_DECODED_BYTES:,} bytes, and its header claims {size:,}: export it with "
            "fewer pixels, samples or bits."
        )


def limit_this_process() -> None:
    """Make :func:`allow` work in this process; only in one that does nothing but decode."""
    global _is_limited
    _is_limited = True


def allow(size: int) -> None:
    """Let this process take what a number of bytes needs to be decoded from now on, and no more than that.

    A decoder that asks for more memory fails, and one that takes more processor time ends with the process, by SIGPROF.
    Without :func:`limit_this_process` nothing is limited; memory only on Linux, and time not on Windows.

    Args:
        size: bytes once they are decoded.
    """
    if not _is_limited or sys.platform == "win32":
        return
    signal.setitimer(signal.ITIMER_PROF, min(_MAX_SECONDS, _FIXED_SECONDS + _SECONDS_PER_BYTE * size))
    if not _STATM.is_file():
        return
    taken = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    soft = taken + _FIXED_BYTES + _COPIES * size
    resource.setrlimit(resource.RLIMIT_AS, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def lift_limits() -> None:
    """Lift what :func:`allow` has set, to import a library; it counts for no file."""
    if not _is_limited or sys.platform == "win32":
        return
    signal.setitimer(signal.ITIMER_PROF, 0)
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))

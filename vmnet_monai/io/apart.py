"""Decodes in a process of its own, which ends where a file takes too long or too much memory.

A header bounds what JPEG, PNG and uncompressed DICOM take; these are decoded where they are read. It does not for JPEG
2000 (packets without content), run lengths (decoded in Python), or whatever a TIFF or a volume holds. For those, one
process is started with the first such file (about a second) and used for all that follow; each costs the copy of its
pixels, some milliseconds. It is a program of its own, started by its command and spoken to through pipes: processes of
:mod:`multiprocessing` cannot be started by the workers of a data loader, and would run a user's script anew.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from typing import IO, Any

from PIL import Image

from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io.budget import MAX_WAITING_SECONDS, limit_this_process
from vmnet_monai.io.decoding import MAX_SAMPLE, REMARKS, decode

__all__ = ["decode_apart", "serve"]

_COMMAND = f"from {__name__} import serve; serve()"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS")
_EXIF = "exif"
_TOO_LONG: int = getattr(signal, "SIGPROF", signal.SIGTERM)
_ENDING_SECONDS = 1.0


class _Decoder:
    """The process, started with its first file and again after it has ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def decode(self, name: str) -> Image.Image:
        with self._lock:
            process = self._running()
            # SIGPROF is what it ends by itself with when it has used up its processor time.
            timer = threading.Timer(MAX_WAITING_SECONDS, process.send_signal, (_TOO_LONG,))
            timer.daemon = True
            timer.start()
            try:
                _send(_pipe(process.stdin), {"name": name, "folder": os.getcwd()})
                answer, content = _receive(_pipe(process.stdout))
            except (OSError, EOFError, ValueError):
                raise UnreadableImageError(
                    "decoding takes longer than the size in its header accounts for, and was ended: export it again."
                    if self._end() == -_TOO_LONG
                    else "the file is damaged, its decoder crashed: copy or export it again."
                ) from None
            except BaseException:  # an interrupt, after which the next answer would be that of this file
                self._end()
                raise
            finally:
                timer.cancel()
        if "error" in answer:
            raise UnreadableImageError(answer["error"])
        return _image(answer, content)

    def close(self) -> None:
        """Let the process end."""
        with self._lock:
            if self._process is not None and self._process.stdin is not None:
                with contextlib.suppress(OSError):
                    self._process.stdin.close()
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        if self._process is None:
            environment = {
                **os.environ,
                **dict.fromkeys(_THREADS, "1"),
                # So that the package is found as it is here, in whatever way it came to the path.
                "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            }
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", _COMMAND],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # libtiff and others write there
                env=environment,
            )
            try:
                _receive(_pipe(self._process.stdout))  # once the imports are done, so that they count for no file
            except EOFError:
                self._end()
                raise RuntimeError(
                    f"the process that decodes images cannot be started ({sys.executable}): check the installation."
                ) from None
        return self._process

    def _end(self) -> int:
        """End the process, where it has not ended; minus the signal that it ended by."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with contextlib.suppress(subprocess.TimeoutExpired):  # it may be about to end by itself
            process.wait(_ENDING_SECONDS)
        process.kill()
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        return code


_decoder = _Decoder()


def _forget_decoder() -> None:
    """A forked process has a decoder of its own: two that speak to one would get each other's images."""
    global _decoder
    _forgotten.append(_decoder)
    _decoder = _Decoder()


_forgotten: list[_Decoder] = []  # kept, because what is collected is waited for

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_decoder)
atexit.register(lambda: _decoder.close())


def decode_apart(name: str) -> Image.Image:
    """Decode as :func:`vmnet_monai.io.decoding.decode` does, in the process of this module.

    Args:
        name: a path, or the address of a slice or a frame.

    Returns:
        The image; one with a palette as RGB or RGBA.

    Raises:
        UnreadableImageError: as there; and if it takes longer than :func:`~vmnet_monai.io.budget.allow` allows, or the
            process crashes.
    """
    return _decoder.decode(name)


def serve() -> None:
    """Decode what the standard input names until it ends; the program of the process."""
    limit_this_process()
    if hasattr(signal, "SIGINT"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's goes to all, and the other side decides
    # What a library prints must not come between the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    _send(answers, {})
    with contextlib.suppress(EOFError, OSError):
        while True:
            request, _ = _receive(sys.stdin.buffer)
            try:
                os.chdir(request["folder"])
                header, content = _described(decode(request["name"]))
            except UnreadableImageError as error:
                header, content = {"error": str(error)}, b""
            except MemoryError:
                header, content = {"error": "the file takes more memory than its header accounts for."}, b""
            _send(answers, header, content)


def _described(image: Image.Image) -> tuple[dict[str, Any], bytes]:
    """What :func:`_image` makes an image of."""
    if image.mode in ("P", "PA"):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    info: dict[str, Any] = {key: image.info[key] for key in (REMARKS, MAX_SAMPLE) if key in image.info}
    if isinstance(exif := image.info.get(_EXIF), bytes):
        info[_EXIF] = base64.b64encode(exif).decode()
    return {"mode": image.mode, "size": image.size, "info": info}, image.tobytes()


def _image(answer: dict[str, Any], content: bytes) -> Image.Image:
    image = Image.frombytes(answer["mode"], tuple(answer["size"]), content)
    info = answer["info"]
    if _EXIF in info:
        info[_EXIF] = base64.b64decode(info[_EXIF])
    image.info = info
    return image


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    """A pipe of a process that was started with one."""
    if pipe is None:
        raise RuntimeError("the process that decodes images was started without pipes.")
    return pipe


def _send(pipe: IO[bytes], header: dict[str, Any], content: bytes = b"") -> None:
    """Write a line of JSON, and the bytes whose number it states."""
    pipe.write(json.dumps({**header, "bytes": len(content)}).encode() + b"\n")
    pipe.write(content)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    line = pipe.readline()
    if not line:
        raise EOFError
    header = json.loads(line)
    content = pipe.read(header["bytes"])
    if len(content) < header["bytes"]:
        raise EOFError
    return header, content

"""What a file may take, and that a process that only decodes is held to it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io import budget
from vmnet_monai.io.budget import MAX_DECODED_BYTES, allow, check_decoded_bytes


def test_more_than_the_budget_is_refused() -> None:
    check_decoded_bytes(MAX_DECODED_BYTES)
    with pytest.raises(UnreadableImageError, match=r"800,000,000 bytes.* 800,000,001"):
        check_decoded_bytes(MAX_DECODED_BYTES + 1)


def test_nothing_is_limited_in_a_process_that_does_more() -> None:
    assert not budget._is_limited
    allow(0)
    assert len(bytearray(1_000_000_000)) == 1_000_000_000


def run(program: str) -> subprocess.CompletedProcess[str]:
    begin = "from vmnet_monai.io import budget; budget._FIXED_SECONDS = 0.2; budget.limit_this_process(); "
    return subprocess.run([sys.executable, "-c", begin + program], capture_output=True, text=True, check=False)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux only")
def test_memory_follows_from_the_bytes_that_are_decoded() -> None:
    claim = "budget.allow({0}); bytearray(1_000_000_000); print('enough')"
    assert "MemoryError" in run(claim.format(0)).stderr
    assert run(claim.format(200_000_000)).stdout == "enough\n"


@pytest.mark.skipif(sys.platform == "win32", reason="there is no such timer on Windows")
def test_process_that_goes_on_and_on_is_ended() -> None:
    from signal import SIGPROF

    assert run("budget.allow(0)\nwhile True: pass").returncode == -SIGPROF

"""Commands run in the process of the tests, which has imported what takes a new process ten seconds."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Sequence

import pytest


def run_module(words: Sequence[str]) -> None:
    """Do what ``python -m`` does with these words: a module and its arguments."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", list(words))
        runpy.run_module(words[0], run_name="__main__")

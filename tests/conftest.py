"""One thread per process: the tests run in as many processes as there are cores to use."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

"""A transform that ends its process or its machine, as a system that is out of memory and a library that crashes do."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any


class Deadly:
    """Ends the process at the photograph ``once``, and the machine at ``leave``, each the first time only.

    Args:
        folder: where it is noted that a photograph was seen.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        """Return the item, if it returns."""
        name = Path(item["image"]).stem
        seen = self.folder / name
        if name in ("once", "leave") and not seen.exists():
            seen.touch()
            if name == "leave":
                os.kill(os.getppid(), signal.SIGKILL)  # of Ray's processes the one that stands for the machine
            os.kill(os.getpid(), signal.SIGKILL)
        return item

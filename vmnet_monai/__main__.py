"""``python -m vmnet_monai``: the same as ``vmnet``."""

from __future__ import annotations

import sys

from vmnet_monai.cli import main

sys.exit(main())

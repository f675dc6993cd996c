"""Web pages: one per image, and an index of them."""

from __future__ import annotations

from vmnet_monai.reports.html.index import write_index
from vmnet_monai.reports.html.page import write_page

__all__ = ["write_index", "write_page"]

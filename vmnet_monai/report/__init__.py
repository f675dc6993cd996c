"""Reports to read: a page and a PDF per photograph, and an index of them."""

from __future__ import annotations

from vmnet_monai.report.index import write_index
from vmnet_monai.report.page import write_page
from vmnet_monai.report.pdf import write_pdf

__all__ = ["write_index", "write_page", "write_pdf"]

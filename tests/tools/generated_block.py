"""The block of a page of the documentation that a program makes."""

from __future__ import annotations

import argparse
import re
from pathlib import Path


def print_or_update(description: str, page: Path, block: re.Pattern[str], text: str) -> None:
    """Print the text, or, with ``--update`` on the command line, put it into the page.

    Args:
        description: docstring of the program, whose first line its help shows.
        page: the page.
        block: matches what the text takes the place of.
        text: what was made.
    """
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--update", action="store_true", help=f"put it into {page.name}")
    if parser.parse_args().update:
        page.write_text(block.sub(lambda _: text, page.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        print(text, end="")

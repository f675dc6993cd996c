"""Imports run one way, and the diagram in CONTRIBUTING.md shows them."""

from __future__ import annotations

import networkx as nx
import pytest
from import_diagram import BLOCK, PAGE, diagram, imports
from importlinter.cli import EXIT_STATUS_SUCCESS, lint_imports

ROOT = PAGE.parent


def test_no_package_imports_one_above_it() -> None:
    assert lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True) == EXIT_STATUS_SUCCESS


def test_the_diagram_is_that_of_the_code() -> None:
    (drawn,) = BLOCK.findall(PAGE.read_text(encoding="utf-8"))
    assert drawn == diagram(imports()), "run `python tests/tools/import_diagram.py --update`"


def test_the_diagram_leaves_out_what_others_imply() -> None:
    assert diagram(nx.DiGraph([("a", "b"), ("b", "c"), ("a", "c")])) == "flowchart TD\n    a --> b\n    b --> c\n"


def test_imports_in_a_circle_cannot_be_drawn() -> None:
    with pytest.raises(nx.NetworkXError):
        diagram(nx.DiGraph([("a", "b"), ("b", "a")]))

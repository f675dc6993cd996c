"""Reads the docstrings of the API reference as they are written: with roles, and with ``Example:`` of one example."""

from __future__ import annotations

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|meth|data|mod|attr):`(~?)([\w.]+)`")
EXAMPLE = re.compile(r"^( *)Example:$", flags=re.MULTILINE)


class Docstrings(griffe.Extension):
    """Rewrites each docstring when its object has been read."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        """Turn roles such as ``:func:`~package.module.name``` into links, and name the section as griffe does."""
        if obj.docstring is not None:
            text = EXAMPLE.sub(r"\1Examples:", obj.docstring.value)
            obj.docstring.value = ROLE.sub(lambda role: _link(obj, *role.groups()), text)


def _link(obj: griffe.Object, short: str, name: str) -> str:
    """A link to a name of this package, as seen from the object whose docstring has it; other names stay code."""
    shown = name.rpartition(".")[2] if short else name
    try:
        path = name if name.startswith("vmnet_monai.") else obj.resolve(name)
    except griffe.NameResolutionError:
        return f"`{shown}`"
    return f"[`{shown}`][{path}]" if path.startswith("vmnet_monai.") else f"`{shown}`"

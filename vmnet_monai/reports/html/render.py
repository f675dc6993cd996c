"""Renders templates to HTML that asks for nothing from outside and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from vmnet_monai.io.files import whole_file
from vmnet_monai.reports import wording

__all__ = ["write_html"]


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("vmnet_monai.reports.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "decision": wording.decision_text,
        "disease": wording.disease_name,
        "made_from": wording.made_from_text,
        "number": wording.number,
        "findings_note": wording.findings_note,
        "measure": wording.measure_name,
        "measure_definition": wording.measure_definition,
        "measure_range": wording.measure_range,
        "method": wording.method_name,
        "percentile": wording.percentile_text,
        "readable": wording.readable,
        "score": wording.score_text,
        "structure": wording.structure_name,
        "url": wording.file_url,
    }
    environment.tests["known"] = wording.known
    environment.globals |= {
        "disclaimer": wording.DISCLAIMER,
        "heat_map_note": wording.HEAT_MAP_NOTE,
        "heat_scale_note": wording.HEAT_SCALE_NOTE,
        "measures_note": wording.MEASURES_NOTE,
    }
    return environment


@cache
def _part(name: str) -> Markup:
    """A style sheet or script that goes into a page as it stands."""
    return Markup((Path(__file__).parent / "templates" / name).read_text(encoding="utf-8"))


def _script_hash(script: str) -> str:
    """Hash by which a content security policy allows one script (CSP Level 3, section 2.3.1)."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"sha256-{base64.b64encode(digest).decode()}"


def write_html(path: Path, template: str, **values: Any) -> None:
    """Render ``<template>.html.j2`` with its script, whole or not at all; every value is escaped.

    A byte of a file's name that is no UTF-8 is written as an escape sequence.

    Args:
        path: the final name.
        template: name of template and script, without suffix.
        values: what the template shows.
    """
    script = _part(f"{template}.js")
    html = (
        _environment()
        .get_template(f"{template}.html.j2")
        .render(style=_part("style.css"), script=script, script_hash=_script_hash(script), **values)
    )
    with whole_file(path) as temporary:
        temporary.write_bytes(html.encode(errors="backslashreplace"))

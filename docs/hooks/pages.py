"""Adds pages to the documentation: one of the API per package, and the files outside ``docs/`` that pages link to.

In the repository a page links to files beside ``docs/`` by relative paths. On the site a link to code leads to its page
of the API; any other file comes along under ``repository/``.
"""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "vmnet_monai"
LINK = re.compile(r"(?<=\]\()(?!\w+:)([^)#\s]+)")
"""The path of a relative link."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the API, and the files that are linked to, also from one another."""
    for path in sorted(PACKAGE.iterdir()):
        if (path.suffix == ".py" or (path / "__init__.py").exists()) and not path.stem.startswith("__"):
            files.append(File.generated(config, f"api/{path.stem}.md", content=_api(path)))
    pages = [file for file in files.documentation_pages() if file.abs_src_path]
    for page in pages:
        source = Path(page.abs_src_path)
        for link in LINK.findall(source.read_text(encoding="utf-8")):
            target = (source.parent / link).resolve()
            address = _address(target, config)
            if target.is_file() and files.get_file_from_path(address) is None:
                file = File.generated(config, address, abs_src_path=str(target))
                files.append(file)
                if file.is_documentation_page():
                    pages.append(file)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn links to files of the repository into links to their place on the site."""
    if page.file.abs_src_path is None:
        return markdown
    source = Path(page.file.abs_src_path)
    folder = posixpath.dirname(page.file.src_uri)

    def place(link: re.Match[str]) -> str:
        return posixpath.relpath(_address((source.parent / link[0]).resolve(), config), folder or ".")

    return LINK.sub(place, markdown)


def _api(path: Path) -> str:
    """The page of a module, or of a package and its modules; what a package only passes on is shown once."""
    modules = [path] if path.is_file() else sorted(path.rglob("*.py"))
    lines = [f"# {path.stem}"]
    for module in modules:
        name = ".".join(module.relative_to(ROOT).with_suffix("").parts)
        if module.stem == "__init__":
            lines.append(f"::: {name.removesuffix('.__init__')}\n    options:\n      members: false")
        elif module.stem != "__main__":
            lines.append(f"::: {name}")
    return "\n\n".join(lines) + "\n"


def _address(target: Path, config: MkDocsConfig) -> str:
    """Where a file of the repository lies on the site."""
    docs = Path(config.docs_dir)
    if target.is_relative_to(docs):
        return target.relative_to(docs).as_posix()
    if target == PACKAGE:
        return "api/inference.md"
    if target.is_relative_to(PACKAGE) and (target.is_dir() or target.suffix == ".py"):
        return f"api/{Path(target.relative_to(PACKAGE).parts[0]).stem}.md"
    return f"repository/{target.relative_to(ROOT).as_posix()}"

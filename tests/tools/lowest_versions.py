"""Prints the lowest version of each requirement in setup.cfg, ``name==version``, for ``pip install -r``.

``pip install -r`` of the output and then ``pip install --no-deps .`` give an environment of the lowest versions, but
for what these require themselves. The extras of tools that check the source, ``lint`` and ``docs``, are left out.
"""

from __future__ import annotations

import configparser
from collections.abc import Iterator
from pathlib import Path

from packaging.requirements import Requirement

SETUP = Path(__file__).parents[2] / "setup.cfg"
EXTRAS = ("dicom", "ray", "runtimes", "test")


def requirements(extras: tuple[str, ...] = EXTRAS) -> Iterator[Requirement]:
    """Requirements of the package and of some of its extras, without those that name the package itself."""
    setup = configparser.ConfigParser()
    setup.read(SETUP)
    sections = [setup["options"]["install_requires"], *(setup["options.extras_require"][extra] for extra in extras)]
    for line in "\n".join(sections).splitlines():
        if line.strip() and not line.startswith("#"):
            requirement = Requirement(line)
            if requirement.name != setup["metadata"]["name"]:
                yield requirement


def lowest(requirement: Requirement) -> str:
    """The lowest version that a requirement admits.

    Raises:
        ValueError: if it has not one lower bound, ``>=`` or ``==``.
    """
    bounds = [bound.version for bound in requirement.specifier if bound.operator in (">=", "==")]
    if len(bounds) != 1:
        raise ValueError(f"a requirement must have one lower bound, got {requirement}: add the lowest tested, `>=`.")
    return bounds[0]


def main() -> None:
    """Print one line per requirement."""
    for requirement in requirements():
        print(f"{requirement.name}=={lowest(requirement)}")


if __name__ == "__main__":
    main()

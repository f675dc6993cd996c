"""Names of the structures that are segmented, which are keys of items, batches and outputs, and names of folders.

How they are written and drawn is said here as well, once for pages, pictures and PDF.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

__all__ = [
    "LANDMARKS",
    "RESERVED_NAMES",
    "STRUCTURE_LOOKS",
    "StructureLook",
    "check_parts",
    "check_structures",
    "is_file_safe",
    "structure_looks",
    "wholes_first",
]

RESERVED_NAMES = frozenset(
    {
        *("image", "fov", "fov_box", "disease", "dataset", "patient", "eye", "sex", "age", "id", "split"),
        *("photographs", "thresholds", "sources_by_auc", "cam", "pred", "label"),
    }
)
"""Names that items, outputs, scores or folders use otherwise."""

LANDMARKS = ("disc", "fovea_region")
"""Structures that an eye has once, whose centre is a landmark of the retina."""


class StructureLook(NamedTuple):
    """How a structure is shown."""

    name: str
    """Its plain name; empty where its key is written as words."""
    colour: tuple[int, int, int]
    """RGB, 0 to 255."""
    outlined: bool = False
    """Whether its outline is drawn, so that what lies in it stays visible, or all of it."""


STRUCTURE_LOOKS: Mapping[str, StructureLook] = MappingProxyType(
    {
        "vessel": StructureLook("Vessels", (0, 255, 170)),
        "artery": StructureLook("Arteries", (255, 40, 40)),
        "vein": StructureLook("Veins", (40, 110, 255)),
        "disc": StructureLook("Optic disc", (255, 240, 60), outlined=True),
        "cup": StructureLook("Optic cup", (255, 255, 255), outlined=True),
        "fovea_region": StructureLook("Fovea", (235, 110, 255), outlined=True),
        "fovea": StructureLook("Fovea", (235, 110, 255), outlined=True),
    }
)
"""The structures that are known by name. Vessels are green-cyan, the complement of the fundus' red, so that fine ones
stand out; arteries red and veins blue, as is usual."""

DEFAULT_COLOURS = ((0, 255, 170), (86, 180, 233), (240, 228, 66))
"""Colours of other structures, in turn: green-cyan, then sky blue and yellow, which stay apart from it with colour
blindness (Okabe and Ito, 2008)."""


def structure_looks(structures: Sequence[str]) -> dict[str, StructureLook]:
    """Say how each structure is shown; those that are not known by name take the default colours in turn.

    Args:
        structures: keys, in their order.

    Example:
        >>> looks = structure_looks(["vessel", "lesion", "scar"])
        >>> looks["vessel"].name, looks["lesion"].colour, looks["scar"].colour
        ('Vessels', (86, 180, 233), (240, 228, 66))
    """
    known = {name: STRUCTURE_LOOKS[name] for name in structures if name in STRUCTURE_LOOKS}
    taken = {look.colour for look in known.values()}
    free = [colour for colour in DEFAULT_COLOURS if colour not in taken] or list(DEFAULT_COLOURS)
    others = [name for name in structures if name not in known]
    looks = known | {name: StructureLook("", free[place % len(free)]) for place, name in enumerate(others)}
    return {name: looks[name] for name in structures}


def check_structures(structures: Sequence[str], diseases: Sequence[str] = ()) -> list[str]:
    """Check the names of structures and return them as a list.

    Args:
        structures: the names.
        diseases: keys of the diseases beside them, whose names no structure may have.

    Raises:
        ValueError: when they are a text instead of a list, empty, not distinct, reserved, or not file-safe, or when one
            is another one followed by ``_1``, ``_2``, ....
    """
    if isinstance(structures, str):
        raise ValueError(f"structures must be a list of names, got the text {structures!r}: write [{structures!r}].")
    names = list(structures)
    if not names or len(set(names)) < len(names):
        raise ValueError(f"structures must be one or more different names, got {names}: name each map once.")
    taken = [name for name in names if name in RESERVED_NAMES or name in diseases]
    if taken:
        raise ValueError(
            f"a structure must not have the name of a disease of the head, or one of "
            f"{', '.join(sorted(RESERVED_NAMES))}, got {taken[0]!r}: rename it."
        )
    unsafe = [name for name in names if not is_file_safe(name)]
    if unsafe:
        raise ValueError(
            f"a structure names folders and files, so it must begin with a letter or digit and hold no slash, got "
            f"{unsafe[0]!r}: rename it."
        )
    # A network's coarser outputs have such names.
    numbered = [name for name in names if name.rpartition("_")[0] in names and name.rpartition("_")[2].isdigit()]
    if numbered:
        raise ValueError(
            f"a structure must not have the name of another one with a number, got {numbered[0]!r}: rename it."
        )
    return names


def check_parts(parts: Mapping[str, str] | None, structures: Sequence[str]) -> dict[str, str]:
    """Check which structures are parts of others, and return it as a dictionary, empty without any.

    Args:
        parts: part -> whole, such as ``{"artery": "vessel", "vein": "vessel"}``.
        structures: keys of all structures.

    Raises:
        ValueError: when another structure is named, or a whole is itself a part.
    """
    named = dict(parts or {})
    if not {*named, *named.values()} <= set(structures) or set(named) & set(named.values()):
        raise ValueError(
            f"parts must map structures out of {', '.join(structures)} to their whole, which is no part, got {named}: "
            "name both, or leave parts out."
        )
    return named


def wholes_first(structures: Iterable[str], parts: Mapping[str, str]) -> list[str]:
    """Put the whole of each structure that is a part before it, and leave the order as it is otherwise.

    >>> wholes_first(["disc", "artery", "fovea", "vessel"], {"artery": "vessel"})
    ['disc', 'vessel', 'artery', 'fovea']
    """
    present = list(structures)
    in_order = [name for structure in present for name in (parts.get(structure, structure), structure)]
    return [name for name in dict.fromkeys(in_order) if name in present]


def is_file_safe(name: str) -> bool:
    """Tell whether a key can be a part of file names: it begins with a letter or digit and holds nothing unfit there.

    Unfit are path separators, control characters, and what Windows forbids.

    >>> is_file_safe("optic disc"), is_file_safe("../disc")
    (True, False)
    """
    return name[:1].isalnum() and name.isprintable() and not set('/\\:*?"<>|') & set(name)

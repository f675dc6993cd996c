"""Names of the structures that are segmented, which are keys of items, batches and outputs, and names of folders."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["RESERVED_NAMES", "check_structures", "is_file_safe"]

RESERVED_NAMES = frozenset(
    {
        *("image", "fov", "fov_box", "disease", "dataset", "patient", "eye", "id", "split"),
        *("photographs", "thresholds", "cam", "pred", "label"),
    }
)
"""Names that items, outputs, scores or folders use otherwise."""


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


def is_file_safe(name: str) -> bool:
    """Tell whether a key can be a part of file names: it begins with a letter or digit and holds no path separator.

    >>> is_file_safe("optic disc"), is_file_safe("../disc")
    (True, False)
    """
    return name[:1].isalnum() and not {"/", "\\", "\0"} & set(name)

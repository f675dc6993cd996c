"""Photographs named by the user, as files, folders and lists, in any mixture."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from vmnet_monai.datasets.item import (
    FIRST_ROW,
    PICTURE_SUFFIXES,
    SEPARATORS,
    DatasetError,
    Item,
    make_item,
    read_rows,
    unique_names,
)

__all__ = ["find_photographs"]

NAME = "photographs"

_EYES = ("left", "right")


class _Named(NamedTuple):
    """A photograph as it was named, or what was named in its place."""

    image: str
    """Its path."""
    name: str
    """What its id is made from, such as its path within the folder that was named."""
    key: str
    """What tells it apart from all others: its path without symbolic links."""
    refused: str = ""
    """Why it cannot be a photograph; blank where it may be one."""
    patient: str = ""
    eye: str = ""
    fov: str = ""


def find_photographs(
    inputs: str | Path | Sequence[str | Path], diseases: Sequence[str] = (), exclude: str | Path | None = None
) -> list[Item]:
    """Items of all photographs that are named; nothing is known about their diseases.

    An input is

    - a folder: all its pictures (by suffix) and those of its subfolders, sorted by path; hidden files and folders, and
      links to folders, are passed over;
    - a list, a ``.csv`` or ``.tsv`` file with the column ``image`` and any of ``id``, ``fov``, ``patient`` and ``eye``
      (left or right); paths are relative to the list, other columns and blank lines are ignored;
    - any other file, whatever its suffix. It is not opened here.

    A photograph that is named more than once, also through links, counts once, as it was named first. What cannot be
    one (a path that does not exist, a folder without pictures, a list that cannot be read, a row without image, ...)
    still becomes an item, so that nothing is passed over in silence: the reader of pictures refuses it, or it has the
    key ``refused``, a sentence that says why.

    The id is the column ``id`` or the file's name without suffix, with its subfolders before it, made file-safe
    (:func:`vmnet_monai.datasets.item.unique_names`). Where several photographs would have the same id, ignoring case,
    each of them gets digits made from its absolute path, whatever the order of the inputs.

    Args:
        inputs: one input, or several.
        diseases: the requested columns of ``disease``, all unknown.
        exclude: a folder whose content is passed over where a folder is searched: the output folder.
    """
    named = [inputs] if isinstance(inputs, (str, os.PathLike)) else inputs
    excluded = None if exclude is None else _real(str(exclude))
    found: dict[str, _Named] = {}
    for path in named:
        for one in _of_input(os.path.expanduser(path), excluded):
            found.setdefault(one.key, one)
    if not found:
        found[""] = _refused("", NAME, "no photograph is named: name files, folders or lists (.csv, .tsv).")
    ids = unique_names([one.name for one in found.values()], list(found))
    return [_item(one, name, diseases) for one, name in zip(found.values(), ids, strict=True)]


def _item(one: _Named, name: str, diseases: Sequence[str]) -> Item:
    item = make_item(
        reader=NAME,
        name=name,
        image=one.image,
        labels={},
        diseases=diseases,
        patient=one.patient or None,
        eye=one.eye,
        fov=one.fov or None,
    )
    return item | {"id": name} | ({"refused": one.refused} if one.refused else {})


def _of_input(path: str, excluded: str | None) -> Iterator[_Named]:
    if not path.strip():
        yield _refused(path, NAME, "an input is blank: name a file, a folder or a list.")
    elif os.path.isdir(path):
        yield from _of_folder(path, excluded)
    elif os.path.splitext(path)[1].lower() in SEPARATORS:
        yield from _of_list(path)
    else:
        yield _photograph(path, os.path.basename(path), _real(path))


def _of_folder(folder: str, excluded: str | None) -> Iterator[_Named]:
    real = _real(folder)
    pictures: list[tuple[str, bool]] = []
    unopened: list[_Named] = []
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        if excluded is not None and _is_inside(os.path.join(real, inside), excluded):
            continue
        try:
            with os.scandir(os.path.join(folder, inside)) as entries:
                shown = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            path = os.path.join(folder, inside)
            unopened.append(_refused(path, path, f"the folder {path} cannot be opened ({error.strerror}): allow it."))
            continue
        for entry in shown:
            path = os.path.join(inside, entry.name)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif os.path.splitext(entry.name)[1].lower() in PICTURE_SUFFIXES:
                pictures.append((path, entry.is_symlink()))
    for inside, is_link in sorted(pictures, key=lambda picture: picture[0].split(os.sep)):
        path = os.path.join(folder, inside)
        yield _photograph(path, inside, _real(path) if is_link else os.path.join(real, inside))
    yield from unopened
    if not pictures and not unopened:
        suffixes = ", ".join(sorted(PICTURE_SUFFIXES))
        yield _refused(
            folder,
            os.path.basename(real),
            f"the folder holds no picture ({suffixes}), in subfolders neither; hidden files, links to folders and the "
            "output folder are passed over. Name the photographs' folder.",
        )


def _of_list(path: str) -> Iterator[_Named]:
    name = os.path.basename(path)
    if os.path.exists(path) and not os.path.isfile(path):
        yield _refused(path, name, "the list is a device or a pipe, not a file: save it as a file.")
        return
    try:
        rows = read_rows(Path(path), required=("image",), separator=SEPARATORS[os.path.splitext(path)[1].lower()])
    except DatasetError as error:
        yield _refused(path, name, str(error))
        return
    folder = os.path.dirname(path)
    for number, row in enumerate(rows.to_dict("records"), start=FIRST_ROW):
        if not row["image"]:
            place = f"{path}, row {number}"
            yield _refused(place, f"{name}-row-{number}", f"{place}: image is blank; fill it in or remove the row.")
            continue
        image = os.path.join(folder, os.path.expanduser(row["image"]))
        inside = os.path.basename(image) if os.path.isabs(row["image"]) else os.path.normpath(row["image"])
        eye = row.get("eye", "").lower()
        yield _photograph(image, inside, _real(image))._replace(
            **({"name": row["id"]} if row.get("id") else {}),
            patient=row.get("patient", ""),
            eye=eye if eye in _EYES else "",
            fov=os.path.join(folder, os.path.expanduser(row["fov"])) if row.get("fov") else "",
        )


def _photograph(path: str, inside: str, key: str) -> _Named:
    """A photograph at a path, with an id from the part of the path that says what it is called."""
    image = str(Path(path))
    if not _is_text(image):
        return _refused(image, inside, "the name is no valid Unicode text: rename the file.")
    if image.startswith("~"):  # which LoadImage would take for somebody's home
        image = os.path.abspath(image)
    return _Named(image, os.path.splitext(inside)[0].replace(os.sep, "-"), key)


def _refused(path: str, name: str, reason: str) -> _Named:
    printable = path.encode("utf-8", "replace").decode()
    return _Named(printable, name, f"refused {_real(path)}", refused=reason)


def _is_text(name: str) -> bool:
    """Whether a name can be written to a table; the names of files may hold any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_inside(path: str, folder: str) -> bool:
    return os.path.join(path, "").startswith(os.path.join(folder, ""))


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # such as a null byte in the name
        return os.path.abspath(path)

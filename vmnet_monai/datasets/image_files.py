"""Finds the photographs that a user names as files, folders and lists, in any mixture."""

from __future__ import annotations

import math
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from vmnet_monai.datasets.item import (
    IMAGE_SUFFIXES,
    DatasetError,
    Item,
    is_positive,
    make_item,
    read_rows,
    warn_counted,
)
from vmnet_monai.datasets.names import unique_names, without_suffix
from vmnet_monai.errors import UnreadableImageError
from vmnet_monai.io.apart import decode_apart
from vmnet_monai.io.decoding import decode
from vmnet_monai.io.dicom import (
    DICOM_INDEX,
    HEADER_TAGS,
    check_image_object,
    frame_count,
    instance_uid,
    is_dicom,
    read_header,
)
from vmnet_monai.io.dicom import eye as eye_of
from vmnet_monai.io.remote import State, file_states, is_folder, is_remote, list_files
from vmnet_monai.io.slices import parse_slice_address, slice_address
from vmnet_monai.io.tables import TABLE_SUFFIXES

__all__ = ["find_images"]

NAME = "photographs"

_EYES = ("left", "right")

_LIST_NUMBERS = ("microns_per_px", "field_angle_deg")

_LIST_COLUMNS = ("image", "id", "fov", "patient", "eye", *_LIST_NUMBERS)

_LIST_SUFFIXES = TABLE_SUFFIXES | {".txt"}
"""Suffixes of lists that are named; in folders a text file is none. Excel gives .txt to its tables in UTF-16."""

_REMOTE_SUFFIXES = IMAGE_SUFFIXES | {".dcm"}
"""Suffixes of photographs in a bucket, whose content is not looked at before they are read."""

_COLUMNS_SHOWN = 10


class _Named(NamedTuple):
    """A photograph as it was named, or an input that is none, with the reason."""

    image: str
    """Its path."""
    name: str
    """The id is made from it; for instance the path within the folder that was named."""
    key: str
    """Its path without symbolic links, which no other photograph has."""
    origin: str
    """Its path within the folder or list that was named, with suffix; of a frame its address."""
    refused: str = ""
    """Why it cannot be a photograph; blank where it may be one."""
    patient: str = ""
    eye: str = ""
    fov: str = ""
    scale: Mapping[str, float] = {}
    """What the list says of :data:`_LIST_NUMBERS`."""
    state: State = []
    """In a bucket: see :func:`vmnet_monai.io.remote.list_files`; empty where it is yet to be asked for."""
    instance: tuple[str, int] | None = None
    """SOP Instance UID and frame of a DICOM photograph, by which its copies are known; None without a valid UID."""


def find_images(
    inputs: str | Path | Sequence[str | Path], diseases: Sequence[str] = (), exclude: str | Path | None = None
) -> list[Item]:
    """Find all photographs that are named, as items without known labels.

    An input is

    - a folder: all its images (by suffix), its DICOM files (by content, where the suffix is no image's and no
      list's), and those of its subfolders, sorted by path; hidden files and folders, links to folders, and DICOMDIR
      files are skipped;
    - a list, a CSV, XLSX or Parquet table (:func:`vmnet_monai.io.tables.read_table`) with the column ``image`` and
      any of ``id``, ``fov``, ``patient``, ``eye`` (left or right), ``microns_per_px`` and ``field_angle_deg`` (what a
      scale is known by); paths are relative to the list, and what is ignored, such as other columns and blank rows, is
      said in a warning;
    - any other file, whatever its suffix, and the address of a frame (:func:`vmnet_monai.io.slices.slice_address`).

    Folders, lists and files may lie in a bucket (:mod:`vmnet_monai.io.remote`), and a list may name files in one. There
    a folder's photographs are known by their suffix, DICOM by ``.dcm``; no header is read, so that of several frames
    the first counts, and copies are not known. Such an item has also ``states``, the states of ``image`` and ``fov``.

    Images are not decoded here, apart from DICOM photographs that bear the same UID. Of DICOM files the header is read:
    several frames become as many items, ``image`` the address of a frame and the id ending in ``-frame-1``,
    ``-frame-2`` and so on; the eye is taken from it where no list says it; and what is no photograph is refused with
    the reason.

    A photograph that is named more than once, also through links, counts once, as it was named first. A DICOM
    photograph that another file holds too, by SOP Instance UID and frame, is refused with the path of the first that
    can be decoded: a damaged file does not stand in for its whole copy. What cannot be one (a path that does not exist,
    a folder without images, a list that cannot be read, a row without image, ...) still becomes an item, so that every
    input is accounted for: the image reader refuses it, or it has the key ``refused``, a sentence that says why.

    Items have ``named_patient``, as the list has it and empty where there is none, and both numbers, NaN where unknown.

    The id is the column ``id`` or the file's name without suffix, with its subfolders before it, made file-safe
    (:func:`vmnet_monai.datasets.names.unique_names`). Where several photographs would have the same id, ignoring case,
    each of them gets digits made from its path within the folder that was named, with suffix, and where this is the
    same, from its absolute path, whatever the order of the inputs.

    Args:
        inputs: one input, or several.
        diseases: the requested columns of ``disease``, all unknown.
        exclude: a folder that is skipped where folders are searched, such as the output folder.

    Raises:
        ImportError: if the package that reads a bucket is not installed.
        OSError: if a bucket that a list names cannot be reached.

    Example:
        >>> [item["id"] for item in find_images(["clinic/left eye.png", "clinic/right eye.png"])]
        ['left-eye', 'right-eye']
    """
    named = [inputs] if isinstance(inputs, (str, os.PathLike)) else inputs
    excluded = None if exclude is None else _real(str(exclude))
    _is_readable.cache_clear()  # files may have changed since
    found: dict[str, _Named] = {}
    images: dict[tuple[str, int], str] = {}
    for path in named:
        for one in _of_input(os.path.expanduser(path), excluded):
            if one.key not in found:
                found[one.key] = _refuse_copy(one, images)
    if not found:
        found[""] = _refused("", NAME, "no photograph is named: name files, folders or lists (.csv, .xlsx, .parquet).")
    named_photographs = found.values()
    ids = unique_names([one.name for one in named_photographs], [one.origin for one in named_photographs], list(found))
    items = [_item(one, name, diseases) for one, name in zip(found.values(), ids, strict=True)]
    _add_states(items, [one.state for one in named_photographs])
    return items


def _add_states(items: Sequence[Item], listed: Sequence[State]) -> None:
    """Add the states of files in buckets: those that were listed, and those that have to be asked for."""
    states = [{"image": state} if state else {} for state in listed]
    missing = [
        (item[key], states_of, key)
        for item, states_of in zip(items, states, strict=True)
        for key in ("image", "fov")
        if "refused" not in item and key not in states_of and is_remote(item.get(key, ""))
    ]
    for (_, states_of, key), state in zip(missing, file_states([name for name, *_ in missing]), strict=True):
        states_of[key] = state
    for item, states_of in zip(items, states, strict=True):
        if states_of:
            item["states"] = states_of


def _refuse_copy(one: _Named, images: dict[tuple[str, int], str]) -> _Named:
    """Refuse a photograph that another file holds too; otherwise remember its path.

    Only where two files say that they hold the same one is it looked whether the first can be decoded.
    """
    if one.instance is None:
        return one
    first = images.setdefault(one.instance, one.image)
    if first == one.image:
        return one
    if not _is_readable(first):
        images[one.instance] = one.image
        return one
    return one._replace(
        refused=f"the same photograph (SOP Instance UID) was named before as {first}: leave one of the two out."
    )


@lru_cache
def _is_readable(path: str) -> bool:
    try:
        decode(path, apart=decode_apart)
    except UnreadableImageError:
        return False
    return True


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
    known = {"named_patient": one.patient, **dict.fromkeys(_LIST_NUMBERS, math.nan), **one.scale}
    return item | {"id": name} | known | ({"refused": one.refused} if one.refused else {})


def _of_input(path: str, excluded: str | None) -> Iterator[_Named]:
    if not path.strip():
        yield _refused(path, NAME, "an input is blank: name a file, a folder or a list.")
    elif is_remote(path) and _suffix(path) not in _LIST_SUFFIXES:
        yield from _of_remote(path)
    elif os.path.isdir(path):
        yield from _of_folder(path, excluded)
    elif _suffix(path) in _LIST_SUFFIXES:
        yield from _of_list(path)
    else:
        yield from _of_file(path, os.path.basename(path), _real(path))


def _of_remote(address: str) -> Iterator[_Named]:
    """The photographs below an address in a bucket, or the one at it."""
    try:
        if _suffix(address) in _REMOTE_SUFFIXES or not is_folder(address):
            yield from _of_file(address, os.path.basename(address), address)
            return
        states = list_files(address)
    except OSError as error:
        yield _refused(address, address, str(error))
        return
    photographs = [
        inside
        for inside in states
        if _suffix(inside) in _REMOTE_SUFFIXES and not any(part.startswith(".") for part in inside.split("/"))
    ]
    for inside in photographs:
        image = str(states[inside][0])
        yield _image(image, without_suffix(inside).replace("/", "-"), image, inside)._replace(state=states[inside])
    if not photographs:
        suffixes = ", ".join(sorted(_REMOTE_SUFFIXES))
        yield _refused(address, address, f"there is no image ({suffixes}) below {address}: name another folder.")


def _of_folder(folder: str, excluded: str | None) -> Iterator[_Named]:
    real = _real(folder)
    images: list[tuple[str, bool]] = []
    unopened: list[_Named] = []
    waiting = [""]
    while waiting:
        inside = waiting.pop()
        if excluded is not None and _is_inside(os.path.join(real, inside), excluded):
            continue
        try:
            with os.scandir(os.path.join(folder, inside)) as files:
                shown = [file for file in files if not file.name.startswith(".")]
        except OSError as error:
            path = os.path.join(folder, inside)
            unopened.append(_refused(path, path, f"the folder {path} cannot be opened ({error.strerror}): allow it."))
            continue
        for file in shown:
            path = os.path.join(inside, file.name)
            if file.is_dir(follow_symlinks=False):
                waiting.append(path)
            elif _may_be_image(file):
                images.append((path, file.is_symlink()))
    for inside, is_link in sorted(images, key=lambda image: image[0].split(os.sep)):
        path = os.path.join(folder, inside)
        yield from _of_file(path, inside, _real(path) if is_link else os.path.join(real, inside))
    yield from unopened
    if not images and not unopened:
        suffixes = ", ".join(sorted(IMAGE_SUFFIXES))
        yield _refused(
            folder,
            os.path.basename(real),
            f"the folder holds no image ({suffixes}) and no DICOM file, in subfolders neither; hidden files, links "
            "to folders and the output folder are passed over. Name the photographs' folder.",
        )


def _of_list(path: str) -> Iterator[_Named]:
    name = os.path.basename(path)
    if os.path.exists(path) and not os.path.isfile(path):
        yield _refused(path, name, "the list is a device or a pipe, not a file: save it as a file.")
        return
    try:
        rows = read_rows(path, required=("image",), numbers=_LIST_NUMBERS)
    except DatasetError as error:
        yield _refused(path, name, str(error))
        return
    _warn_ignored(path, rows)
    for number, row in zip(rows.index, rows.to_dict("records"), strict=True):
        if not row["image"]:
            place = f"{path}, row {number}"
            yield _refused(place, f"{name}-row-{number}", f"{place}: image is blank; fill it in or remove the row.")
            continue
        image = _beside(path, row["image"])
        is_whole = is_remote(row["image"]) or os.path.isabs(row["image"])
        inside = os.path.basename(image) if is_whole else os.path.normpath(row["image"])
        eye = row.get("eye", "").lower()
        for one in _of_file(image, inside, _real(image), row.get("id", "")):
            yield one._replace(
                patient=row.get("patient", ""),
                eye=eye if eye in _EYES else one.eye,
                fov=_beside(path, row["fov"]) if row.get("fov") else "",
                scale={name: float(row[name]) for name in _LIST_NUMBERS if is_positive(row.get(name, ""))},
            )


def _beside(path: str, name: str) -> str:
    """The path or address of what a list names, relative to the list."""
    if is_remote(name):
        return name
    if is_remote(path):
        protocol, _, place = path.partition("://")
        return f"{protocol}://{posixpath.normpath(posixpath.join(posixpath.dirname(place), name))}"
    return os.path.join(os.path.dirname(path), os.path.expanduser(name))


def _warn_ignored(path: str, rows: pd.DataFrame) -> None:
    ignored = [repr(column) for column in rows.columns if column not in _LIST_COLUMNS]
    warn_counted(ignored, f"{'column' if len(ignored) == 1 else 'columns'} of {path} ignored", shown=_COLUMNS_SHOWN)
    if "eye" in rows:
        wrong = rows["eye"][~rows["eye"].str.lower().isin(["", *_EYES])]
        warn_counted(
            [f"{eye!r} (row {number})" for number, eye in wrong.items()],
            f"eyes of {path} ignored, which must be left, right or blank",
        )
    for column in filter(rows.columns.__contains__, _LIST_NUMBERS):
        wrong = rows[column][(rows[column] != "") & ~rows[column].map(is_positive)]
        warn_counted(
            [f"{number!r} (row {row})" for row, number in wrong.items()],
            f"{column} of {path} ignored, which must be numbers above 0 or blank",
        )


def _may_be_image(file: os.DirEntry[str]) -> bool:
    """Whether a file of a folder has an image's suffix, or is DICOM by its content, but no index of DICOM files."""
    suffix = os.path.splitext(file.name)[1].lower()
    if suffix in IMAGE_SUFFIXES:
        return True
    return suffix not in TABLE_SUFFIXES and file.name.upper() != DICOM_INDEX and is_dicom(file.path)


def _of_file(path: str, inside: str, key: str, name: str = "") -> Iterator[_Named]:
    """The photograph of a file, or those of a DICOM file's frames.

    Args:
        path: the file, or the address of a frame.
        inside: the part of the path that the name is made from, where none is given.
        key: the path without symbolic links.
        name: the name of the photograph, or blank.
    """
    try:
        address = parse_slice_address(path)
    except ValueError:  # which the reader refuses
        address = None
    name = name or without_suffix(inside).replace(os.sep, "-")
    if is_remote(path):
        yield _image(path, name, key, inside)
        return
    whole = _image(path, name, key, inside)
    file = path if address is None else address.path
    if whole.refused or not is_dicom(file):
        yield whole
        return
    try:
        header = read_header(file, HEADER_TAGS)
        check_image_object(header)
        count, uid = frame_count(header), instance_uid(header)
        for frame in range(count) if address is None else (address.index,):
            yield (
                _image(
                    slice_address(file, frame),
                    f"{name}-frame-{frame + 1}",
                    slice_address(_real(file), frame),
                    inside if address else slice_address(inside, frame),
                )
                if count > 1 or frame > 0
                else _image(file, name, _real(file), inside)
            )._replace(eye=eye_of(header, frame), instance=(uid, frame) if uid else None)
    except UnreadableImageError as error:
        yield whole._replace(refused=str(error))


def _image(path: str, name: str, key: str, origin: str) -> _Named:
    """A photograph at a path or address."""
    image = path if is_remote(path) else str(Path(path))
    if not _is_text(image):
        return _refused(image, name, "the name is no valid Unicode text: rename the file.")
    if image.startswith("~"):  # which LoadImage would take for somebody's home
        image = os.path.abspath(image)
    return _Named(image, name, key, origin.replace(os.sep, "/"))


def _refused(path: str, name: str, reason: str) -> _Named:
    printable = path.encode("utf-8", "replace").decode()
    return _Named(printable, name, f"refused {_real(path)}", origin=name, refused=reason)


def _suffix(path: str) -> str:
    return os.path.splitext(path)[1].lower()


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
    """What a file or address is known by, whatever names lead to it."""
    if is_remote(path):
        return path
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # such as a null byte in the name
        return os.path.abspath(path)

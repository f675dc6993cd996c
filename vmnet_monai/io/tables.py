"""Reads and writes tables: CSV as spreadsheets of all countries save it, Excel workbooks, and Parquet."""

from __future__ import annotations

import csv
import datetime
import io
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence, Set
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import ZipFile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from vmnet_monai.io.files import whole_file
from vmnet_monai.io.remote import fetched, is_remote

if TYPE_CHECKING:
    from openpyxl.cell.read_only import EmptyCell, ReadOnlyCell

__all__ = ["TABLE_SUFFIXES", "Table", "TableError", "read_table", "table_text", "write_table"]

TABLE_SUFFIXES = frozenset({".csv", ".tsv", ".xlsx", ".xlsm", ".parquet"})
"""Suffixes of tables, in lower case. What is in a file decides how it is read."""

MAX_BYTES = 256 * 2**20
"""Largest table that is read, unpacked: some million rows. A workbook of kilobytes may unpack to gigabytes."""

MAX_CELLS = 20_000_000
"""Most cells of a workbook or of Parquet: equal or empty ones take hardly a byte in the file, and memory here."""

_SEPARATORS = (",", ";", "\t", "|")
_NAMES = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}

_ZIP, _OLE, _PARQUET = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1"
"""First bytes of an Excel workbook, of one of Excel 97 or with a password, and of Parquet."""

_BATCH_ROWS = 10_000
"""Rows of Parquet that are unpacked at a time, before it is looked how large they are."""

_MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
"""Byte order marks, longer ones first, and their encodings."""

_AS_UTF8 = 'save it as UTF-8 (in Excel the file type "CSV UTF-8"), or as .xlsx'

_STARTS = "=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20"
"""What a formula may begin with, full-width forms included: OWASP, CSV Injection,
https://owasp.org/www-community/attacks/CSV_Injection."""

_PLACES = r"(^|[;\t\r\n])"
"""Where a spreadsheet may begin a cell: in countries of the decimal comma also after a semicolon, quoted or not."""

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_FORMULA = re.compile(rf"{_PLACES}('*[{_STARTS}])")
_NEUTRAL = re.compile(rf"{_PLACES}'('*[{_STARTS}])")
_PART = r'0|"[^"]*"|\\.|[- /()]'
_ZEROS, _PADDING = re.compile(_PART), re.compile(rf"(?:{_PART})+(?:;|$)")
"""The parts of a number format that shows zeros in front: zeros, and texts between them."""

_TO_QUOTE = re.compile(r'[",;|\t\r\n]|^\s|\s$')


class TableError(ValueError):
    """Raised when a table cannot be read; the message names the file and the remedy."""


@dataclass(frozen=True)
class Table:
    """A table as text.

    Attributes:
        rows: the cells as they are written, blank where empty. The index counts rows as a spreadsheet does.
        decimal_comma: whether a comma in a number is a decimal one, as it is where something else separates columns.
        remarks: what was left out, and which sheet of several was read; sentences that name the file.
    """

    rows: pd.DataFrame
    decimal_comma: bool
    remarks: Sequence[str]

    def with_decimal_points(self, columns: Iterable[str]) -> pd.DataFrame:
        """Return the rows with the decimal commas of some columns, where it has them, turned to points."""
        if not self.decimal_comma:
            return self.rows
        own = [column for column in columns if column in self.rows]
        turned = {c: self.rows[c].str.replace(r"^\s*([+-]?\d*),(\d+)\s*$", r"\1.\2", regex=True) for c in own}
        return self.rows.assign(**turned)


def read_table(path: str | os.PathLike[str], required: Iterable[str] = ()) -> Table:
    """Read a CSV, Excel or Parquet table as text.

    CSV is read as spreadsheets write it: columns separated by commas, semicolons, tabs or bars (those by which the
    header has the required columns, and the most), a leading line ``sep=;``, UTF-8, or UTF-16 with its byte order mark.
    Of a workbook the first visible sheet is read, of its formulas the results, and whole numbers with the zeros that
    their format shows in front, such as ``007``. Of Parquet whole numbers have no decimal point, and columns of lists
    or bytes the text that Python gives them. Blank rows are skipped, columns without a name left out, and cells
    that :func:`write_table` marked are read as they were.

    Args:
        path: the table, also in a bucket (:mod:`vmnet_monai.io.remote`).
        required: columns that it must have.

    Raises:
        ImportError: if the package that reads a bucket is not installed.
        TableError: when the file is missing, too large or unreadable, is in another encoding, has a column twice or
            lacks a required one, a row has more cells than the header, or a formula has no result.
    """
    path, required = os.fspath(path), tuple(required)
    content = _content(path)
    if content.startswith(_OLE):
        raise TableError(f"The table {path} is of Excel 97 or has a password; save it as .xlsx without a password.")
    if content.startswith(_ZIP):
        records, remarks = _of_workbook(path, content)
        return _table(path, records, required, decimal_comma=True, remarks=remarks)
    if content.startswith(_PARQUET):
        return _table(path, _of_parquet(path, content), required, decimal_comma=False, remarks=[])
    text = _decoded(path, content)
    if not text.strip(f"{''.join(_SEPARATORS)}\r\n "):
        raise TableError(f"The table {path} cannot be read (it is empty); download or export it again.")
    text, separator = _separator(text, required, path.lower().endswith(".tsv"))
    try:
        records = list(enumerate(_records(text, separator), start=1))
    except csv.Error as error:
        raise TableError(
            f"The table {path} cannot be read ({error}, columns separated by {_NAMES[separator]}); export it again, "
            "with a quotation mark at both ends of a quoted cell and doubled inside."
        ) from error
    _check_widths(path, records, separator)
    return _table(path, records, required, decimal_comma=separator != ",", remarks=[])


def table_text(table: pd.DataFrame, float_format: str | None = None) -> str:
    """Return a table as CSV: commas, one line per row, the header first; NaN and None are empty.

    A text that a spreadsheet would take for a formula gets a single quotation mark in front, as OWASP says (CSV
    Injection): one that begins with ``=``, ``+``, ``-``, ``@``, a tab or a line break, or has one of these after a
    semicolon, tab or line break. Where such a text begins with quotation marks already it gets one more, so that
    :func:`read_table` can take it away. Numbers stay as they are, also those that are text. A null byte, which no
    table can hold, is written as ``\\x00``.

    Args:
        table: any table; its index is not written.
        float_format: for fractional numbers, such as ``%.6f``; None for as many digits as it takes.

    Example:
        >>> print(table_text(pd.DataFrame({"id": ["=1+1", "-0.5"], "score": [-0.5, None]})), end="")
        id,score
        '=1+1,-0.5
        -0.5,
    """
    columns = [
        [_cell(str(name), None), *(_cell(value, float_format) for value in column.array)]
        for name, column in table.items()
    ]
    lines = map(",".join, zip(*columns, strict=True))
    # or a row whose only cell is blank would be no row
    return "".join(f"{line}\n" for line in (line or '""' for line in lines))


def write_table(path: str | os.PathLike[str], table: pd.DataFrame, float_format: str | None = None) -> None:
    """Write a table as CSV, UTF-8, whole or not at all; see :func:`table_text`.

    Args:
        path: the final name.
        table: any table; its index is not written.
        float_format: for fractional numbers.

    Raises:
        OSError: if it cannot be written.
    """
    content = table_text(table, float_format).encode(errors="backslashreplace")
    with whole_file(path) as temporary:
        temporary.write_bytes(content)


def _cell(value: object, float_format: str | None) -> str:
    if isinstance(value, (bool, np.bool_, int, np.integer)):
        return str(value)
    if value is None or value is pd.NA or value is pd.NaT or value != value:
        return ""
    if isinstance(value, (float, np.floating)):
        return float_format % value if float_format else str(value)
    text = str(value).replace("\0", "\\x00")
    text = text if _NUMBER.fullmatch(text) else _FORMULA.sub(r"\1'\2", text)
    return '"' + text.replace('"', '""') + '"' if _TO_QUOTE.search(text) else text


def _content(path: str) -> bytes:
    try:
        with fetched(path, MAX_BYTES) if is_remote(path) else nullcontext(Path(path)) as file:
            if file.exists() and not file.is_file():
                raise TableError(f"The table {path} is no file but a folder, device or pipe; name a file.")
            if (size := file.stat().st_size) > MAX_BYTES:
                raise TableError(f"A table must have at most {MAX_BYTES} bytes, {path} has {size}; divide it.")
            content = file.read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"The table {path} cannot be read ({error}); download or export it again.") from error
    if not content.strip():
        raise TableError(f"The table {path} cannot be read (it is empty); download or export it again.")
    return content


def _decoded(path: str, content: bytes) -> str:
    encoding = next((name for mark, name in _MARKS.items() if content.startswith(mark)), "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableError(
            f"The table {path} cannot be read, because it is no {encoding.removesuffix('-sig').upper()} (line {line} "
            f"has the byte 0x{content[error.start]:02x}: perhaps it is in an encoding of Windows, such as "
            f"Windows-1252, or damaged); {_AS_UTF8}."
        ) from error
    if "\0" in text:
        raise TableError(
            f"The table {path} cannot be read, because it holds null bytes, as UTF-16 without a byte order mark does; "
            f"{_AS_UTF8}."
        )
    return text


def _records(text: str, separator: str) -> Iterator[list[str]]:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)


def _is_blank(record: Iterable[str]) -> bool:
    return not any(cell.strip() for cell in record)


def _separator(text: str, required: Sequence[str], tabs_first: bool) -> tuple[str, str]:
    """The text without a line that names its separator, and what separates its columns."""
    named = re.match(r'"?sep=([,;\t|])"?[ ,;\t]*(\r\n|\r|\n)', text, re.IGNORECASE)
    if named:
        return text[named.end() :], named[1]

    def fit(separator: str) -> tuple[int, bool, int]:
        try:
            header = next((record for record in _records(text, separator) if not _is_blank(record)), [])
        except csv.Error:
            return -1, False, 0
        names = {_read_cell(cell).strip() for cell in header}
        return len(names.intersection(required)), tabs_first and separator == "\t", len(header)

    return text, max(_SEPARATORS, key=fit)


def _check_widths(path: str, records: Sequence[tuple[int, list[str]]], separator: str) -> None:
    """Refuse a row with more cells than the header: it cannot be told which of them belong together."""
    width = next((len(record) for _, record in records if not _is_blank(record)), 0)
    for number, record in records:
        if not _is_blank(record[width:]):
            raise TableError(
                f"{path}, row {number}: a row must not have more cells than the header, which has {width}, got "
                f"{len(record)} separated by {_NAMES[separator]}; put a cell in quotation marks that holds one of "
                "these itself, or name the column."
            )


def _of_workbook(path: str, content: bytes) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """The numbered rows of the first sheet that is shown, and a remark where there are several."""
    import openpyxl  # takes a tenth of a second, and most runs read no workbook
    from openpyxl.cell.read_only import ReadOnlyCell

    try:
        with ZipFile(io.BytesIO(content)) as packed:
            size = sum(member.file_size for member in packed.infolist())
        if size > MAX_BYTES:
            raise TableError(f"A workbook must unpack to at most {MAX_BYTES} bytes, {path} to {size}; divide it.")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what does not concern values, such as validation rules
            book = openpyxl.load_workbook(io.BytesIO(content), read_only=True, data_only=True)
            sheets = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
            records, cells = [], 0
            if sheets:
                sheets[0].reset_dimensions()  # which some programs write wrongly
                blank: set[tuple[int, int]] = set()
                for number, row in enumerate(sheets[0].iter_rows(), start=1):
                    if (cells := cells + 1 + len(row)) > MAX_CELLS:
                        raise TableError(f"A table must have at most {MAX_CELLS} cells, {path} has more; divide it.")
                    records.append((number, [_text_of(cell) for cell in row] or [""]))
                    # A result that is an empty text has another type.
                    blank.update(
                        (cell.row, cell.column)
                        for cell in row
                        if isinstance(cell, ReadOnlyCell) and cell.value is None and cell.data_type == "n"
                    )
                if blank:
                    _check_results(path, content, sheets[0].title, blank)
    except TableError:
        raise
    except Exception as error:  # a damaged workbook makes openpyxl raise errors of any kind
        raise TableError(
            f"The table {path} cannot be read ({type(error).__name__}: {error}); save it as .xlsx or CSV again."
        ) from error
    if len(sheets) < 2:
        return records, []
    names = ", ".join(repr(sheet.title) for sheet in sheets)
    return records, [f"{path}: of the sheets {names} the first was read."]


def _check_results(path: str, content: bytes, title: str, blank: Set[tuple[int, int]]) -> None:
    """Refuse formulas whose results are not stored, as programs other than spreadsheets write them.

    Args:
        path: named in the error.
        content: the workbook.
        title: of the sheet.
        blank: row and column of the cells without a value.
    """
    from openpyxl import load_workbook

    sheet = load_workbook(io.BytesIO(content), read_only=True)[title]
    sheet.reset_dimensions()
    formulas = (cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f")
    cell = next((cell for cell in formulas if (cell.row, cell.column) in blank), None)
    if cell is not None:
        raise TableError(
            f"The result of a formula must be stored with it, and {path} has none in the cell {cell.coordinate}; open "
            "the table in Excel and save it, or export it as CSV."
        )


def _of_parquet(path: str, content: bytes) -> list[tuple[int, list[str]]]:
    """The numbered rows, of which the first has the names of the columns."""
    records: list[Sequence[str]] = []
    size = 0
    try:
        file = pq.ParquetFile(pa.BufferReader(content))
        names = [str(name) for name in file.schema_arrow.names]
        if file.metadata.num_rows * len(names) > MAX_CELLS:
            raise TableError(f"A table must have at most {MAX_CELLS} cells, {path} has more; divide it.")
        for batch in file.iter_batches(_BATCH_ROWS):
            if (size := size + batch.nbytes) > MAX_BYTES:
                raise TableError(f"A table must unpack to at most {MAX_BYTES} bytes, {path} to more; divide it.")
            records += zip(*(map(_plain_text, column.to_pylist()) for column in batch.columns), strict=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"The table {path} cannot be read ({error}); write it again.") from error
    return list(enumerate([names, *map(list, records)], start=1))


def _text_of(cell: ReadOnlyCell | EmptyCell) -> str:
    """What a cell of a workbook holds, as CSV would have it; whole numbers with the zeros that are shown in front."""
    value = cell.value
    if isinstance(value, int | float) and not isinstance(value, bool) and float(value).is_integer():
        return _padded(int(value), cell.number_format)
    return _plain_text(value)


def _plain_text(value: object) -> str:
    """A value as CSV would have it."""
    if value is None or value != value:
        return ""
    match value:
        case bool():
            return str(value).lower()
        case float() if value.is_integer():
            return str(int(value))
        case datetime.datetime() if value.time() == datetime.time():
            return value.date().isoformat()
    return str(value)


def _padded(value: int, number_format: str) -> str:
    """A number as a format of zeros shows it, such as 000 or 00\\-00; other formats leave it as it is.

    A single zero pads nothing, and its texts are units.
    """
    tokens = _ZEROS.findall(number_format.partition(";")[0]) if _PADDING.match(number_format) else []
    places = tokens.count("0")
    if value < 0 or places < 2:
        return str(value)
    digits = str(value).zfill(places)
    rest, digits = digits[: len(digits) - places], digits[len(digits) - places :]
    signs, shown = iter(digits), ""
    for token in tokens:
        shown += rest + next(signs) if token == "0" else token.removeprefix("\\").strip('"')
        rest = "" if token == "0" else rest
    return shown


def _read_cell(text: str) -> str:
    """The text of a cell without the marks that :func:`write_table` made."""
    return _NEUTRAL.sub(r"\1\2", text) if "'" in text else text


def _table(
    path: str,
    records: Sequence[tuple[int, list[str]]],
    required: Sequence[str],
    decimal_comma: bool,
    remarks: list[str],
) -> Table:
    filled = [(number, record) for number, record in records if not _is_blank(record)]
    if not filled:
        raise TableError(f"The table {path} cannot be read (it is empty); download or export it again.")
    (_, header), *body = filled
    names = [_read_cell(cell).strip() for cell in header]
    named = [position for position, name in enumerate(names) if name]
    columns = [names[position] for position in named]
    twice = next((name for name in columns if columns.count(name) > 1), None)
    if twice is not None:
        raise TableError(f"The table {path} has the column {twice!r} twice; rename or remove one of them.")
    missing = [name for name in required if name not in columns]
    if missing:
        raise TableError(
            f"The columns of {path} must include {', '.join(missing)}, and are {', '.join(columns)}; rename or add "
            "what is missing."
        )
    nameless = [
        position + 1
        for position in range(max(len(record) for _, record in filled))
        if position not in named and not _is_blank(record[position] for _, record in body if position < len(record))
    ]
    if nameless:
        remarks.append(f"{path}: columns without a name were ignored: {_spans(nameless)}.")
    blank = [number for number, record in records if record and _is_blank(record)]
    if blank:
        remarks.append(f"{path}: blank rows were skipped ({len(blank)}): {_spans(blank)}.")
    cells = [
        [_read_cell(record[position]) if position < len(record) else "" for position in named] for _, record in body
    ]
    rows = pd.DataFrame(cells, index=[number for number, _ in body], columns=columns, dtype=object)
    return Table(rows, decimal_comma, remarks)


def _spans(numbers: Sequence[int]) -> str:
    """Write ascending numbers shortly: ``2, 5 to 7``, the first ten of these."""
    spans: list[list[int]] = []
    for number in numbers:
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    shown = [str(first) if first == last else f"{first} to {last}" for first, last in spans[:10]]
    return ", ".join(shown) + (" and more" if len(spans) > 10 else "")

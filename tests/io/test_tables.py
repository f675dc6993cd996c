"""Tables as spreadsheets of all countries write them, and what is written is read back."""

from __future__ import annotations

import csv
import datetime
import io
import re
import zipfile
from pathlib import Path

import fsspec
import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import FUZZ
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vmnet_monai.io import tables
from vmnet_monai.io.tables import TableError, read_table, table_text, write_table

ROWS = {"image": ["a.png", "b.png"], "patient": ["Müller", "患者"], "width": ["1.5", "2"]}


def written(folder: Path, content: bytes | str, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def workbook(path: Path, *sheets: list[list[object]], hidden: int | None = None) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets):
        sheet = book.create_sheet(f"sheet {number}")
        for row in rows:
            sheet.append(row)
        if number == hidden:
            sheet.sheet_state = "hidden"
    book.save(path)
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("line", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quote", ["", '"'])
def test_every_form_of_csv_reads_the_same(encoding: str, separator: str, line: str, quote: str, tmp_path: Path) -> None:
    text = line.join(
        separator.join(quote + cell + quote for cell in row) for row in (ROWS, *zip(*ROWS.values(), strict=True))
    )
    table = read_table(written(tmp_path, (text + line).encode(encoding)), required=["image"])
    assert table.rows.to_dict("list") == ROWS
    assert list(table.rows.index) == [2, 3]
    assert not table.remarks


def test_decimal_commas_are_read_where_commas_separate_nothing(tmp_path: Path) -> None:
    semicolons = read_table(written(tmp_path, "x;y;name\n-1,5;,25;1,5\n2.5;3;b\n"))
    assert semicolons.with_decimal_points(["x", "y"]).to_dict("list") == {
        "x": ["-1.5", "2.5"],
        "y": [".25", "3"],
        "name": ["1,5", "b"],
    }
    commas = read_table(written(tmp_path, 'x,y\n"1,500",2\n'))
    assert commas.with_decimal_points(["x"])["x"].tolist() == ["1,500"], "it may be one and a half thousand"


def test_separator_may_stand_in_other_columns_names_and_in_a_line_of_its_own(tmp_path: Path) -> None:
    assert list(read_table(written(tmp_path, "image;a,b,c,d\n1.png;x\n"), ["image"]).rows) == ["image", "a,b,c,d"]
    assert read_table(written(tmp_path, "sep=;\r\na,b;c\r\n1;2\r\n")).rows.to_dict("list") == {"a,b": ["1"], "c": ["2"]}


def test_blank_rows_and_nameless_columns_are_left_out_and_named(tmp_path: Path) -> None:
    path = written(tmp_path, "image,,b,\na.png,,1,\n,,,\n ,,, \n\nb.png,note,2,\n,,,\n")
    table = read_table(path)
    assert table.rows.to_dict("index") == {2: {"image": "a.png", "b": "1"}, 6: {"image": "b.png", "b": "2"}}
    assert table.remarks == [
        f"{path}: columns without a name were ignored: 2.",
        f"{path}: blank rows were skipped (3): 3 to 4, 7.",
    ]


def test_short_rows_are_filled_and_blank_ends_cut(tmp_path: Path) -> None:
    assert read_table(written(tmp_path, "a,b\n1\n1,2,,\n")).rows.to_dict("list") == {"a": ["1", "1"], "b": ["", "2"]}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read"),
        (b"", "it is empty"),
        (b" \n\n", "it is empty"),
        (b",,\n", "it is empty"),
        ("a\nMüller\n".encode("latin-1"), r"line 2 has the byte 0xfc.*save it as UTF-8"),
        ("a\nb\n".encode("utf-16-le"), "null bytes.*save it as UTF-8"),
        ("a\nb\n".encode("utf-16")[:-1], "no UTF-16.*save it as UTF-8"),
        (b'a\n"b', "quotation mark"),
        (b"a,b\n1,2,3\n", "row 2: .*header, which has 2, got 3 separated by commas"),
        (b"a;b;c\n1;2;3;4\n", "separated by semicolons"),
        (b"a,b,a\n", "the column 'a' twice"),
        (b"b\n1\n", "must include image, and are b; rename or add"),
        (b"PK\x03\x04damaged", "save it as .xlsx or CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "Excel 97 or has a password; save it as .xlsx"),
        (b"PAR1damagedPAR1", "write it again"),
    ],
)
def test_what_cannot_be_read_says_why_and_what_to_do(content: bytes | None, message: str, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=message) as caught:
        read_table(path, required=["image"] if content == b"b\n1\n" else [])
    assert str(path) in str(caught.value)


def test_folder_is_no_table(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="is no file"):
        read_table(tmp_path)


def test_parquet_is_read_as_csv_would_be(tmp_path: Path) -> None:
    columns: dict[str, list[object]] = {
        "image": ["a.png", "b.png", None],
        "patient": [7, None, None],
        "x": [0.5, 2.0, None],
        "well": [True, None, None],
        "day": [datetime.date(2026, 1, 2), None, None],
        "id": ["=1+1", "007", ""],
    }
    pq.write_table(pa.table(columns), tmp_path / "t.parquet")
    table = read_table(tmp_path / "t.parquet", required=["image"])
    assert table.rows.loc[2].tolist() == ["a.png", "7", "0.5", "true", "2026-01-02", "=1+1"]
    assert table.rows.loc[3].tolist() == ["b.png", "", "2", "", "", "007"]
    assert table.remarks == [f"{tmp_path}/t.parquet: blank rows were skipped (1): 4."]


def test_parquet_that_unpacks_to_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"image": ["a" * 1000] * 1000}), tmp_path / "t.parquet")
    assert (tmp_path / "t.parquet").stat().st_size < 5000
    for limit, value in (("MAX_CELLS", 999), ("MAX_BYTES", 900_000)):
        with monkeypatch.context() as changed:
            changed.setattr(tables, limit, value)
            with pytest.raises(TableError, match=f"at most {value} .*divide it"):
                read_table(tmp_path / "t.parquet")


def test_a_table_may_lie_in_a_bucket() -> None:
    fsspec.filesystem("memory").pipe_file("memory://lists/t.csv", b"image\na.png\n")
    assert read_table("memory://lists/t.csv").rows["image"].tolist() == ["a.png"]
    with pytest.raises(TableError, match="memory://lists/gone.csv cannot be read .*does not exist"):
        read_table("memory://lists/gone.csv")


@pytest.mark.parametrize("name", ["t.xlsx", "t.csv"])
def test_workbook_is_known_by_its_content_and_read_as_csv_would_be(name: str, tmp_path: Path) -> None:
    cells = ["a.png", 1, 0.5, 2.0, True, None, datetime.datetime(2026, 1, 2), "007", "'=1+1"]
    path = workbook(tmp_path / "t.xlsx", [["image", *"bcdefghi"], cells, [None], ["b.png"]]).rename(tmp_path / name)
    table = read_table(path, required=["image"])
    assert table.rows.loc[2].tolist() == ["a.png", "1", "0.5", "2", "true", "", "2026-01-02", "007", "=1+1"]
    assert table.rows.loc[4].tolist() == ["b.png", *[""] * 8]
    assert table.remarks == [f"{path}: blank rows were skipped (1): 3."]


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [(7, "000", "007"), (7.0, "00000", "00007"), (12345, "000", "12345"), (0, "00", "00"), (7, "000;-000", "007")]
    + [(1234, "00-00-00", "00-12-34"), (7, '"P"000', "P007"), (1234, "\\P0-00", "P12-34"), (7, "000\\-0", "000-7")]
    + [(7, "0", "7"), (7, "General", "7"), (7, '0" mm"', "7"), (7, "0.00", "7"), (7, "#,##0", "7"), (7, "00E+00", "7")]
    + [(-7, "000", "-7"), (7.5, "000", "7.5"), (7, "@", "7"), (True, "000", "true")],
)
def test_zeros_that_a_format_shows_in_front_are_read(
    value: float, number_format: str, shown: str, tmp_path: Path
) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id"])
    book.active.append([value])
    book.active["A2"].number_format = number_format
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx").rows["id"].tolist() == [shown]


def test_formula_without_its_result_is_refused(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", [["id", "image"], ["1", "a.png"], ["2", '="b"&".png"']])
    with pytest.raises(TableError, match=r"t\.xlsx.* cell B3; open .* in Excel and save it, or export it as CSV"):
        read_table(path)


@pytest.mark.parametrize(("kind", "result", "read"), [("str", "b.png", "b.png"), ("str", "", ""), ("n", "3", "3")])
def test_result_of_a_formula_is_read_also_where_it_is_an_empty_text(
    kind: str, result: str, read: str, tmp_path: Path
) -> None:
    path = workbook(tmp_path / "t.xlsx", [["id", "image"], ["1", "=A2"]])
    with zipfile.ZipFile(path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    members[sheet] = re.sub(
        rb'<c r="B2"[^>]*>.*?</c>', f'<c r="B2" t="{kind}"><f>A2</f><v>{result}</v></c>'.encode(), members[sheet]
    )
    assert b"<f>A2</f><v>" in members[sheet]
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    assert read_table(path).rows["image"].tolist() == [read]


def test_cell_with_nothing_but_a_style_is_blank(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["id", "image"])
    book.active.append(["1"])
    book.active["B2"].number_format = "000"
    book.save(tmp_path / "t.xlsx")
    assert read_table(tmp_path / "t.xlsx").rows["image"].tolist() == [""]


def test_first_sheet_that_is_shown_is_read_and_named(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", [["x"], ["1"]], [["a"], ["2"]], [["b"], ["3"]], hidden=0)
    table = read_table(path)
    assert table.rows.to_dict("list") == {"a": ["2"]}
    assert table.remarks == [f"{path}: of the sheets 'sheet 1', 'sheet 2' the first was read."]


def test_note_beside_a_sheet_is_a_nameless_column(tmp_path: Path) -> None:
    path = workbook(tmp_path / "t.xlsx", [["a"], ["1", None, "note"]])
    assert read_table(path).remarks == [f"{path}: columns without a name were ignored: 3."]


def test_workbook_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = workbook(tmp_path / "t.xlsx", [["a"], ["1"]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("bomb", bytes(10**6))
    monkeypatch.setattr(tables, "MAX_BYTES", 10**5)
    with pytest.raises(TableError, match="at most 100000 bytes"):
        read_table(path)
    with pytest.raises(TableError, match="at most 100000 bytes"):
        read_table(written(tmp_path, b"a\n" + b"1\n" * 10**5))
    monkeypatch.setattr(tables, "MAX_CELLS", 1)
    monkeypatch.setattr(tables, "MAX_BYTES", 10**7)
    with pytest.raises(TableError, match="at most 1 cells"):
        read_table(path)


def test_numbers_are_written_as_numbers(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "float": [-0.5, np.nan, np.inf],
            "single": np.array([0.1, -1, 2], dtype=np.float32),
            "whole": pd.array([-1, None, 2], dtype="Int64"),
            "flag": [True, False, True],
            "mixed": [-2, None, "x"],
        }
    )
    assert table_text(frame).splitlines() == [
        "float,single,whole,flag,mixed",
        "-0.5,0.1,-1,True,-2",
        ",-1.0,,False,",
        "inf,2.0,2,True,x",
    ]
    assert table_text(frame, "%.3f").splitlines()[1] == "-0.500,0.100,-1,True,-2"


@pytest.mark.parametrize("start", [*"=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"])
@pytest.mark.parametrize("before", ["", "'", "a;", "a\t''", "b\n"])
def test_text_that_a_spreadsheet_would_compute_is_marked(start: str, before: str, tmp_path: Path) -> None:
    text = f"{before}{start}cmd"
    write_table(tmp_path / "t.csv", pd.DataFrame({text: ["x", text]}))
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        header, _, (cell,) = csv.reader(file)
    assert cell == header[0]
    marked = before.rstrip("'") + "'" + before[len(before.rstrip("'")) :] + start + "cmd"
    assert cell.replace("\t'", "\t") == marked.replace("\t'", "\t") if start in "\t\r\n" else cell == marked
    assert read_table(tmp_path / "t.csv").rows.iloc[1, 0] == text


@pytest.mark.parametrize("text", ["-0.5", "+2", "-1e-3", "a=b", "a-b", "'quoted'", "2026-01-01", "O'Neil"])
def test_harmless_text_is_written_as_it_is(text: str) -> None:
    assert table_text(pd.DataFrame({"a": [text]})) == f"a\n{text}\n"


CELLS = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=12),
    st.text("'=+-@;,\t\r\n\"\uff1d 1.a|", max_size=8),
)


@settings(FUZZ, max_examples=300)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
@example(rows=[("'=", "\t=")])
def test_what_is_written_is_read_back(rows: list[tuple[str, str]], tmp_path: Path) -> None:
    frame = pd.DataFrame([("x", *row) for row in rows], columns=["id", "one", "two"])
    write_table(tmp_path / "t.csv", frame)
    assert read_table(tmp_path / "t.csv", required=["id"]).rows.to_numpy().tolist() == frame.to_numpy().tolist()
    for record in csv.reader(io.StringIO((tmp_path / "t.csv").read_bytes().decode(), newline="")):
        for cell in record:
            assert tables._NUMBER.fullmatch(cell) or cell[:1] not in [*"=+-@\t\r\n\uff1d\uff0b\uff0d\uff20"]


def test_what_no_table_can_hold_is_written_as_an_escape(tmp_path: Path) -> None:
    write_table(tmp_path / "t.csv", pd.DataFrame({"a": ["nul\0", "byte\udcff"]}, dtype=object))
    assert read_table(tmp_path / "t.csv").rows["a"].tolist() == ["nul\\x00", "byte\\udcff"]


@settings(FUZZ, max_examples=200)
@given(content=st.binary(max_size=60) | st.text(max_size=40).map(str.encode) | st.binary().map(b"PK\x03\x04".__add__))
def test_any_bytes_are_a_table_or_refused(content: bytes, tmp_path: Path) -> None:
    path = written(tmp_path, content)
    try:
        table = read_table(path)
    except TableError as error:
        assert str(path) in str(error)
    else:
        assert table.rows.columns.is_unique


@settings(FUZZ, max_examples=60)
@given(data=st.data())
def test_damaged_workbook_is_a_table_or_refused(data: st.DataObject, tmp_path: Path) -> None:
    path, whole = tmp_path / "t.xlsx", tmp_path / "whole.xlsx"
    if not whole.exists():
        workbook(whole, [["a"], ["1"]])
    content = bytearray(whole.read_bytes())
    for _ in range(data.draw(st.integers(1, 5))):
        where = int(data.draw(st.floats(0, 1, exclude_max=True)) * len(content))
        content[where] = data.draw(st.integers(0, 255))
    path.write_bytes(b"PK\x03\x04" + content[4:])
    try:
        read_table(path)
    except TableError as error:
        assert str(path) in str(error)

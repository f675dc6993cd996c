"""The index of a report."""

from __future__ import annotations

import html
import json
import math
import re
from pathlib import Path
from typing import Any

from report_examples import EVIL, Page, calibrated, finding, record, unusable, withheld

from vmnet_monai.reports.html.index import PAGE_ROWS, write_index
from vmnet_monai.reports.record import InputRecord

DATA = {"id": "rows", "type": "application/json"}
"""Attributes of the element that holds the rows; browsers run only the other script."""


def write(output_dir: Path, *records: InputRecord) -> Page:
    write_index(output_dir, records)
    return Page(output_dir / "index.html")


def table(page: Page) -> dict[str, Any]:
    """The columns from which the page's script draws its rows."""
    (text,) = re.findall(r'<script id="rows" type="application/json">(.*?)</script>', page.source, flags=re.DOTALL)
    return json.loads(text)


def names(page: Page) -> list[str]:
    """Names of the rows of a page without its script."""
    body = page.source.partition("<tbody>")[2].partition("</tbody>")[0]
    return [html.unescape(name) for name in re.findall(r"<th [^>]*>(?:<a [^>]*>)?<bdi>(.*?)</bdi>", body)]


def test_one_photograph_is_no_plural(tmp_path: Path) -> None:
    texts = write(tmp_path, record("b")).texts
    assert texts.count("Report of 1 photograph") == 2, "title and heading"
    assert "Report of 1 photographs" not in texts


def test_failed_and_refused_stand_first_and_others_keep_their_order(tmp_path: Path) -> None:
    page = write(
        tmp_path,
        record("b"),
        unusable("dark", "refused", "No field of view."),
        record("a"),
        unusable("broken", "failed", "Cannot read it."),
    )
    assert names(page) == table(page)["id"] == ["broken", "dark", "b", "a"]
    assert {"No field of view.", "Cannot read it."} <= set(page.texts)


def test_photographs_are_counted(tmp_path: Path) -> None:
    page = write(tmp_path, record("a"), record("b"), record("c"), unusable("d", "refused", "Dark."))
    assert "Report of 4 photographs" in page.texts
    counts = [(page.texts[i], page.texts[i + 1]) for i in range(len(page.texts) - 1)]
    assert {("3", "ok"), ("1", "refused"), ("0", "failed")} <= set(counts)
    assert "3 ▲" in page.texts, "glaucoma reaches its threshold three times"
    assert {"V-MNet 0.6.0, weights of 2026-12-01 (0a1b2c)", "7"} <= set(page.texts), "model and thresholds"


def test_scores_are_called_scores_and_bear_their_rank_and_no_mark(tmp_path: Path) -> None:
    page = write(tmp_path, record("a", findings=[withheld("glaucoma", 0.985)]))
    assert {"0.985", "(95)"} <= set(page.texts)
    assert not any("▲" in text for text in page.texts)
    assert "threshold:" not in "".join(page.attributes("span", "style"))
    assert any(text.startswith("Of each disease the score,") for text in page.texts)


def test_probabilities_take_the_place_of_scores_where_there_are_some(tmp_path: Path) -> None:
    page = write(tmp_path, record("a", findings=[calibrated("glaucoma", 0.75)]))
    assert table(page)["diseases"][0]["value"] == [0.75]
    assert "0.750" in page.texts
    assert any("calibrated for Clinic A" in text for text in page.texts)


def test_every_cell_of_a_disease_bears_its_name_for_narrow_screens(tmp_path: Path) -> None:
    page = write(tmp_path, record("a"))
    assert page.attributes("td", "data-label") == ["Glaucoma", "Age-related macular degeneration"]


def test_pages_and_thumbnails_of_usable_photographs_are_linked(tmp_path: Path) -> None:
    page = write(tmp_path, record("a b#1"), unusable("dark", "refused", "Dark."))
    assert page.attributes("a", "href") == ["#content", "report/a%20b%231.html"]
    assert page.attributes("img", "src") == ["report/pictures/a%20b%231/thumbnail.jpg"]
    assert page.attributes("img", "loading") == ["lazy"]


def test_script_has_all_that_the_table_shows(tmp_path: Path) -> None:
    made = record("a b", warnings=["Dim.", "Blurred."], findings=[finding("amd", 0.1234567), withheld("glaucoma", 0.5)])
    columns = table(write(tmp_path, made, unusable("b", "failed", "Broken.")))
    rows = {"id": ["b", "a b"], "status": [0, 2], "url": ["", "a%20b"], "image": ["/photographs/b.jpg", ""]}
    assert rows.items() <= columns.items()
    assert [columns["remarks"][code] for code in columns["remark"]] == [["Broken."], ["Dim.", "Blurred."]]
    amd, glaucoma = columns["diseases"]
    assert (amd["name"], amd["value"], amd["percentile"]) == (
        "Age-related macular degeneration",
        [None, 0.123457],
        [None, None],
    )
    assert glaucoma["percentile"] == [None, 95]
    assert [amd["decisions"][code] for code in amd["decision"]] == [[], [0, 0.5]]
    assert [glaucoma["decisions"][code] for code in glaucoma["decision"]] == [[], [None, None]]


def test_what_many_photographs_share_is_written_once(tmp_path: Path) -> None:
    page = write(tmp_path, *(record(f"eye {i}", warnings=["Long remark."]) for i in range(PAGE_ROWS + 50)))
    assert page.source.count("Long remark.") == PAGE_ROWS + 1, "in each row of markup, and once for the script"
    assert table(page)["diseases"][0]["decisions"] == [[1, 0.5]]


def test_first_rows_need_no_script_and_the_page_says_where_the_others_are(tmp_path: Path) -> None:
    made = [record(f"eye {i}") for i in range(PAGE_ROWS + 1)]
    page = write(tmp_path, *made)
    assert names(page) == [record.id for record in made[:-1]]
    assert table(page)["id"] == [record.id for record in made]
    assert ("noscript", {}) in page.elements
    assert {"Report of 201 photographs", "manifest.csv", "predictions.csv"} <= set(page.texts)
    assert ("noscript", {}) not in write(tmp_path, *made[:-1]).elements


def test_large_numbers_are_grouped(tmp_path: Path) -> None:
    made = record("eye", findings=[finding("amd", 0.9)])
    page = write(tmp_path, *(made.model_copy(update={"id": f"eye {i}"}) for i in range(1234)))
    assert {"Report of 1,234 photographs", "1,234", "1,234 ▲"} <= set(page.texts)


def test_missing_and_undefined_scores_are_dashes(tmp_path: Path) -> None:
    undefined = finding("amd", None).model_copy(update={"score": math.nan})
    page = write(tmp_path, record("a", findings=[finding("glaucoma", None), undefined]), record("b", findings=[]))
    assert [disease["value"] for disease in table(page)["diseases"]] == [[None, None]] * 2
    assert page.texts.count("–") == 6, "two diseases and no remarks, twice"


def test_columns_are_all_diseases_that_a_photograph_has(tmp_path: Path) -> None:
    page = write(tmp_path, record("a", findings=[finding("amd", 0.5)]), record("b", findings=[finding("myopia", 0.1)]))
    assert [disease["value"] for disease in table(page)["diseases"]] == [[0.5, None], [None, 0.1]]


def test_reasons_and_names_are_text_and_never_markup(tmp_path: Path) -> None:
    page = write(
        tmp_path,
        unusable(EVIL, "failed", EVIL),
        record(EVIL, warnings=[EVIL], findings=[finding(EVIL, 0.9)], model_version=EVIL),
    )
    assert [values for tag, values in page.elements if tag == "script"] == [DATA, {}]
    assert names(page) == table(page)["id"] == [EVIL, EVIL]
    assert "<" not in page.source.partition('application/json">')[2].partition("</script>")[0]
    assert page.texts.count(EVIL) >= 5


def test_report_without_photographs_says_so(tmp_path: Path) -> None:
    page = write(tmp_path)
    assert "There are no photographs in this report." in page.texts
    assert "script" not in dict(page.elements), "there is nothing to sort"


def test_byte_that_is_no_text_is_an_escape_sequence_in_names_and_a_byte_in_links(tmp_path: Path) -> None:
    page = write(tmp_path, record("byte \udcff", image="in"))
    assert names(page) == table(page)["id"] == ["byte \\udcff"]
    assert table(page)["url"] == ["byte%20%FF"]
    assert page.attributes("a", "href")[1] == "report/byte%20%FF.html"


def test_same_records_give_the_same_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    first = write(tmp_path, record()).source
    assert write(tmp_path, record()).source == first
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]

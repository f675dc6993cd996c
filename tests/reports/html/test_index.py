"""The index of a report."""

from __future__ import annotations

import json
import math
import time
from pathlib import Path

from report_examples import EVIL, Page, calibrated, finding, record, unusable, withheld

from vmnet_monai.reports.html.index import write_index
from vmnet_monai.reports.record import InputRecord


def write(output_dir: Path, *records: InputRecord) -> Page:
    write_index(output_dir, records)
    return Page(output_dir / "index.html")


def keys(page: Page) -> list[list[object]]:
    """What each row is sorted by."""
    return [json.loads(text) for text in page.attributes("tr", "data-keys")]


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
    assert [row[0] for row in keys(page)] == ["broken", "dark", "b", "a"]
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
    assert keys(page)[0][2] == 0.75
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


def test_rows_are_sorted_by_name_status_scores_and_number_of_remarks(tmp_path: Path) -> None:
    page = write(tmp_path, record("a", warnings=["Dim.", "Blurred."]), unusable("b", "failed", "Broken."))
    assert keys(page) == [["b", 0, None, None, 0], ["a", 2, 0.8, 0.25, 2]]


def test_missing_and_undefined_scores_are_dashes(tmp_path: Path) -> None:
    undefined = finding("amd", None).model_copy(update={"score": math.nan})
    page = write(tmp_path, record("a", findings=[finding("glaucoma", None), undefined]), record("b", findings=[]))
    assert keys(page) == [["a", 2, None, None, 0], ["b", 2, None, None, 0]]
    assert page.texts.count("–") == 6, "two diseases and no remarks, twice"


def test_columns_are_all_diseases_that_a_photograph_has(tmp_path: Path) -> None:
    page = write(tmp_path, record("a", findings=[finding("amd", 0.5)]), record("b", findings=[finding("myopia", 0.1)]))
    assert [row[2:4] for row in keys(page)] == [[0.5, None], [None, 0.1]]


def test_reasons_and_names_are_text_and_never_markup(tmp_path: Path) -> None:
    page = write(
        tmp_path,
        unusable(EVIL, "failed", EVIL),
        record(EVIL, warnings=[EVIL], findings=[finding(EVIL, 0.9)], model_version=EVIL),
    )
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert [row[0] for row in keys(page)] == [EVIL, EVIL]
    assert page.texts.count(EVIL) >= 5


def test_report_without_photographs_says_so(tmp_path: Path) -> None:
    assert "There are no photographs in this report." in write(tmp_path).texts


def test_same_records_give_the_same_bytes_and_nothing_else_is_left(tmp_path: Path) -> None:
    first = write(tmp_path, record()).source
    assert write(tmp_path, record()).source == first
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


def test_two_thousand_photographs_take_less_than_three_seconds(tmp_path: Path) -> None:
    records = [record(f"eye {i}") for i in range(2000)]
    started = time.process_time()
    write_index(tmp_path, records)
    assert time.process_time() - started < 3

"""The report in a browser."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from report_examples import (
    EVIL,
    calibrated,
    finding,
    heat,
    measured_record,
    photograph,
    record,
    unusable,
    vessels,
    withheld,
)
from report_index import CHROMIUM, FLAGS

from vmnet_monai.reports.html.index import write_index
from vmnet_monai.reports.html.page import write_page

webdriver = pytest.importorskip("selenium.webdriver")
keys = pytest.importorskip("selenium.webdriver.common.keys").Keys

CHROMEDRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (CHROMIUM and CHROMEDRIVER), reason="needs Chromium and its chromedriver"),
]

PROBABILITIES = {"low": 0.1, "eye 10": 0.7, "none": None, "eye 9": 0.3}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photographs, a refused and a failed input."""
    folder = tmp_path_factory.mktemp("report")
    records = [
        record(name, findings=[finding("glaucoma", probability), finding("amd", 0.9)], warnings=["A long word. " * 9])
        for name, probability in PROBABILITIES.items()
    ]
    for made in records:
        maps = {"glaucoma": heat(), "amd": heat()}
        write_page(folder, made, photograph(), {"vessel": vessels(), "artery": vessels()}, maps)
    measured = measured_record("measured")
    write_page(folder, measured, photograph(), dict.fromkeys(measured.structures, vessels()), {})
    write_index(folder, [*records, unusable("dark", "refused", "Too dark."), unusable(EVIL, "failed", EVIL * 9)])
    return folder


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
    yield started
    started.quit()


@pytest.fixture
def index(browser: webdriver.Chrome, report: Path) -> webdriver.Chrome:
    browser.get("about:blank")  # a report that is loaded anew keeps its order
    browser.get((report / "index.html").as_uri())
    return browser


@pytest.fixture
def page(browser: webdriver.Chrome, report: Path) -> webdriver.Chrome:
    browser.get((report / "report/eye 10.html").as_uri())
    return browser


def names(browser: webdriver.Chrome) -> list[str]:
    """Names of the rows that are shown, in their order."""
    rows = browser.find_elements("css selector", "tbody tr:not([hidden]) th > :is(bdi, a)")
    return [row.text for row in rows]


def style(browser: webdriver.Chrome, selector: str, name: str) -> str:
    return browser.execute_script(f"return getComputedStyle(document.querySelector('{selector}')).{name}")


def find(browser: webdriver.Chrome, selector: str) -> webdriver.remote.webelement.WebElement:
    return browser.find_element("css selector", selector)


def heading(browser: webdriver.Chrome, position: int) -> webdriver.remote.webelement.WebElement:
    return browser.find_elements("css selector", "thead button")[position]


@pytest.mark.parametrize(
    ("file", "pictures"), [("index.html", 4), ("report/eye 10.html", 5), ("report/measured.html", 6)]
)
def test_opens_from_disk_without_an_error(file: str, pictures: int, browser: webdriver.Chrome, report: Path) -> None:
    browser.get((report / file).as_uri())
    assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []
    shown = browser.execute_script(
        "return Promise.all(Array.from(document.images, async image => {"
        "image.loading = 'eager'; await image.decode(); return image.naturalWidth; }))"
    )
    assert len(shown) == pictures
    assert all(shown), "every picture is found"


def test_nothing_from_outside_runs(index: webdriver.Chrome) -> None:
    kinds = index.execute_script("return Array.from(document.scripts, script => script.type)")
    assert kinds == ["application/json", ""], "data, and the report's own script"
    index.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s)"
    )
    assert index.execute_script("return window.ran") is None, "the policy stops a script that is not the report's"


def test_probability_sorts_highest_first_then_lowest_first_with_missing_ones_last(index: webdriver.Chrome) -> None:
    assert names(index) == [EVIL, "dark", *PROBABILITIES]
    heading(index, 2).click()
    assert names(index)[:3] == ["eye 10", "eye 9", "low"]
    assert heading(index, 2).find_element("xpath", "..").get_attribute("aria-sort") == "descending"
    heading(index, 2).click()
    assert names(index)[:3] == ["low", "eye 9", "eye 10"]
    assert set(names(index)[3:]) == {"none", "dark", EVIL}
    assert "sorted by Glaucoma, lowest first" in find(index, "#state").text


def test_keyboard_sorts_by_name_with_numbers_in_order(index: webdriver.Chrome) -> None:
    heading(index, 0).send_keys(keys.ENTER)
    assert names(index)[1:] == ["dark", "eye 9", "eye 10", "low", "none"]
    headings = index.find_elements("css selector", "thead [aria-sort]")
    assert [element.get_attribute("aria-sort") for element in headings] == ["ascending", *["none"] * 4]


def test_filter_leaves_rows_with_all_words(index: webdriver.Chrome) -> None:
    find(index, "#filter").send_keys("EYE 9")
    assert names(index) == ["eye 9"]
    assert find(index, "#state").text == "1 of 6 photographs"


def test_status_leaves_its_rows(index: webdriver.Chrome) -> None:
    find(index, "#status").send_keys("refused")
    assert names(index) == ["dark"]
    assert not find(index, "#pager").is_displayed(), "one page needs no other"


def test_script_draws_the_rows_that_stand_in_the_page(browser: webdriver.Chrome, tmp_path: Path) -> None:
    undefined = finding("amd", None).model_copy(update={"score": math.nan})
    made = [
        record("a b#1", findings=[withheld("glaucoma", 0.9994), undefined]),
        record("眼底", findings=[calibrated("glaucoma", 0.75), calibrated("amd", 0.2)], warnings=["Dim.", EVIL]),
        record("byte \udcff", findings=[finding("glaucoma", 0.0)]),
        record("nothing", findings=[]),
        unusable(EVIL, "failed", EVIL),
        unusable("dark", "refused", "Dark.").model_copy(update={"image": "dark"}),
    ]
    write_index(tmp_path, made)
    browser.get((tmp_path / "index.html").as_uri())
    rows = "return Array.from({}.querySelectorAll('tbody tr'), row => row.outerHTML.replaceAll('\\n', ''))"
    source = (tmp_path / "index.html").read_text(encoding="utf-8")
    plain = browser.execute_script(rows.format("new DOMParser().parseFromString(arguments[0], 'text/html')"), source)
    assert browser.execute_script(rows.format("document")) == plain
    assert len(plain) == 6


@pytest.fixture
def paged(browser: webdriver.Chrome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> webdriver.Chrome:
    """Seven photographs, whose score falls from the first to the last, on pages of three."""
    monkeypatch.setattr("vmnet_monai.reports.html.index.PAGE_ROWS", 3)
    made = [record(f"eye {i}", findings=[finding("amd", 1 - i / 10)]) for i in range(7)]
    write_page(tmp_path, made[3], photograph(), {}, {})
    write_index(tmp_path, made)
    browser.get((tmp_path / "index.html").as_uri())
    return browser


def test_pages_are_turned_and_named(paged: webdriver.Chrome) -> None:
    assert names(paged) == ["eye 0", "eye 1", "eye 2"]
    find(paged, "#previous").click()
    assert names(paged) == ["eye 0", "eye 1", "eye 2"], "there is no page before the first"
    find(paged, "#next").send_keys(keys.ENTER)
    assert names(paged) == ["eye 3", "eye 4", "eye 5"]
    find(paged, "#page").send_keys(keys.DELETE, "9", keys.ENTER)
    assert names(paged) == ["eye 6"], "the last one"
    assert find(paged, "#page").get_property("value") == "3"
    assert find(paged, "#next").get_attribute("aria-disabled") == "true"


def test_sorting_and_filter_reach_the_rows_of_all_pages(paged: webdriver.Chrome) -> None:
    find(paged, "#next").click()
    heading(paged, 2).click()
    heading(paged, 2).click()
    assert names(paged) == ["eye 6", "eye 5", "eye 4"], "lowest first, on the first page"
    find(paged, "#filter").send_keys("eye 2")
    assert names(paged) == ["eye 2"]


def test_who_comes_back_finds_the_table_as_it_was(paged: webdriver.Chrome) -> None:
    heading(paged, 2).click()
    heading(paged, 2).click()
    find(paged, "#next").click()
    shown = names(paged)
    assert shown == ["eye 3", "eye 2", "eye 1"]
    find(paged, "tbody a").click()
    assert paged.title.startswith("eye 3")
    paged.back()
    assert names(paged) == shown
    assert "sorted by Age-related macular degeneration, lowest first" in find(paged, "#state").text


def test_slider_changes_the_opacity_of_its_layers(page: webdriver.Chrome) -> None:
    assert style(page, ".structure", "opacity") == "0.45"
    find(page, "[data-opacity=structure]").send_keys(keys.ARROW_LEFT)
    assert style(page, ".structure", "opacity") == "0.4"
    assert style(page, ".heat", "opacity") == "1"
    find(page, "[data-opacity=heat]").send_keys(keys.HOME)
    assert style(page, ".heat", "opacity") == "0"


def test_keyboard_switches_structures_and_heat_maps(page: webdriver.Chrome) -> None:
    vessel, artery = page.find_elements("css selector", "img.structure")
    assert (vessel.is_displayed(), artery.is_displayed()) == (False, True), "arteries say more than vessels"
    find(page, "[data-layer=structure-0]").send_keys(keys.SPACE)
    assert (vessel.is_displayed(), artery.is_displayed()) == (True, True)
    maps = page.find_elements("css selector", "img.heat")
    assert [element.is_displayed() for element in maps] == [False, False], "first the photograph alone"
    find(page, "[name=heat]").send_keys(keys.ARROW_DOWN)
    assert [element.is_displayed() for element in maps] == [True, False]
    page.switch_to.active_element.send_keys(keys.ARROW_DOWN)
    assert [element.is_displayed() for element in maps] == [False, True]


def test_overlays_lie_exactly_over_the_photograph(page: webdriver.Chrome) -> None:
    find(page, "[data-layer=structure-0]").send_keys(keys.SPACE)
    below, *above = (element.rect for element in page.find_elements("css selector", "figure img")[:3])
    assert above == [below, below]


def test_keyboard_switches_zones_that_lie_over_the_photograph(browser: webdriver.Chrome, report: Path) -> None:
    browser.get((report / "report/measured.html").as_uri())
    zone = find(browser, "#zone-1")
    assert not zone.is_displayed(), "first the photograph alone"
    find(browser, "[data-layer=zone-1]").send_keys(keys.SPACE)
    assert zone.is_displayed()
    assert zone.rect == pytest.approx(find(browser, "figure img").rect, abs=0.6), "rounded for pictures alone"
    find(browser, "[data-layer=zone-1]").send_keys(keys.SPACE)
    assert not zone.is_displayed()
    quadrants = browser.find_elements("css selector", "details.group")
    assert quadrants and all(one.get_attribute("open") for one in quadrants)


@pytest.mark.parametrize("file", ["index.html", "report/eye 10.html", "report/measured.html"])
def test_narrow_screen_never_scrolls_sideways(file: str, browser: webdriver.Chrome, report: Path) -> None:
    screen = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
    try:
        browser.get((report / file).as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") == 360
        hidden = browser.execute_script(
            "return Array.from(document.querySelectorAll('section, .scroll, td, .value'))"
            ".filter(element => element.clientWidth && element.scrollWidth > element.clientWidth)"
            ".map(element => element.className)"
        )
        assert hidden == [], "nothing must be scrolled to inside a part either"
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_dark_screen_gets_a_dark_page(page: webdriver.Chrome) -> None:
    grounds = {}
    for scheme in ("light", "dark"):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
        grounds[scheme] = style(page, "body", "backgroundColor")
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    assert grounds == {"light": "rgb(251, 251, 249)", "dark": "rgb(20, 24, 27)"}


def test_skip_link_is_the_first_stop_of_the_keyboard(page: webdriver.Chrome) -> None:
    find(page, "body").send_keys(keys.TAB)
    first = page.switch_to.active_element
    assert first.get_attribute("class") == "skip"
    assert first.is_displayed() and first.rect["y"] >= 0
    assert style(page, ".skip", "outlineStyle") == "solid"

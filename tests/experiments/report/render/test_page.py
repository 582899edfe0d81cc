"""The page as its reader has it: in Chromium, without a network."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.benchmarks import browser, synthetic_runs
from experiments.records.record import read
from experiments.report import write_report

pytestmark = pytest.mark.skipif(browser.missing_browser() is not None, reason=str(browser.missing_browser()))
BROWSERS_OWN = ("chrome:", "chrome-untrusted:")  # a new tab, and what it opens
HOSTILE = """<script>window.stolen=1</script>"'|`\x1b[31m\n=cmd()</td>"""


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    with browser.open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods, two ratios, three seeds; a run with hostile names on data of its own; one that failed."""
    folder = tmp_path_factory.mktemp("outputs")
    for run in synthetic_runs.write_runs(folder, ("l1", "fcf"), (0.25, 0.5), range(3)):
        print_figures(run / "record.json")
    (single,) = synthetic_runs.write_runs(folder, ("random",), (0.5,), (0,))
    hostile = read(single / "record.json")
    named = replace(
        hostile, method=HOSTILE, data=f"digits {HOSTILE}", device=HOSTILE, command=HOSTILE, modified=[HOSTILE]
    )
    layers = {HOSTILE: hostile.layers["conv1"], "conv2": hostile.layers["conv1"]}
    replace(named, experiment=HOSTILE, layers=layers).write(single / "record.json")
    failed = folder / "failed"
    failed.mkdir()
    words = dict.fromkeys(("command", "name", "method", "model", "data", "digest", "host", "started"), HOSTILE)
    status = {
        "schema": 1,
        "state": "FAILED",
        "reason": f"line 1\n{HOSTILE}",
        "pid": 1,
        "ended": None,
        "seed": 0,
        "ratio": 0.5,
    }
    (failed / "status.json").write_text(json.dumps(status | words))
    return write_report(folder)


def print_figures(path: Path) -> None:
    """As if a paper had printed FCF's accuracy at a quarter."""
    record = read(path)
    if (record.method, record.ratio) == ("fcf", 0.25):
        printed = {"dense": 0.92, "tuned": 0.91, "accuracy_mark": HOSTILE, "macs_cut": 0.26, "ops": "authors"}
        replace(record, config=record.config | {"published": printed}).write(path)


@pytest.fixture
def opened(driver: Any, page: Path) -> Any:
    browser.open_page(driver, page)
    return driver


def texts(driver: Any, selector: str, within: str = "#section-0") -> list[str]:
    shown = "[...document.querySelectorAll(arguments[0])].filter((each) => !each.closest('[hidden]'))"
    script = f"return {shown}.map((each) => each.textContent)"
    return [text.strip() for text in driver.execute_script(script, f"{within} {selector}")]


def visible(driver: Any, selector: str) -> bool:
    return driver.find_element("css selector", selector).is_displayed()


def click(driver: Any, selector: str) -> None:
    driver.execute_script("document.querySelector(arguments[0]).click()", selector)
    settle(driver)


def settle(driver: Any) -> None:
    """Charts are drawn one after the other, each when the page is at rest."""
    driver.set_script_timeout(20)
    driver.execute_async_script("const done = arguments[0]; setTimeout(() => requestIdleCallback(done), 500)")


def test_it_opens_without_an_error_or_a_request(opened: Any, page: Path):
    assert opened.get_log("browser") == []
    events = [json.loads(each["message"])["message"] for each in opened.get_log("performance")]
    sent = [each["params"] for each in events if each["method"] == "Network.requestWillBeSent"]
    asked = [each["request"]["url"] for each in sent if not each["documentURL"].startswith(BROWSERS_OWN)]
    assert set(asked) == {page.resolve().as_uri()}


def test_every_chart_is_drawn_in_every_section(opened: Any):
    drawn = opened.execute_script(
        "return [...document.querySelectorAll('.chart')].map((each) => "
        "[each.dataset.chart, each.querySelectorAll('svg path').length > 3])"
    )
    assert len(drawn) == 8
    assert [name for name, there in drawn if not there] == ["inside", "pareto", "inside"], "folded: they are few's"
    folds = [visible(opened, f"#section-{number} .fold:has([data-chart=inside])") for number in (0, 1)]
    assert folds == [True, False], "random says nothing of itself"
    click(opened, "#section-0 .fold:has([data-chart=inside]) summary")
    assert texts(opened, "[data-chart=inside] .mark-line path", "#section-0") != []
    click(opened, "#section-1 .fold summary")
    assert texts(opened, "[data-chart=pareto] .mark-symbol path", "#section-1") != []


def test_hostile_names_are_text(opened: Any):
    assert opened.execute_script("return window.stolen") is None
    body = opened.execute_script("return document.body.innerText")
    assert "<script>window.stolen=1</script>" in body
    assert "\x1b" not in opened.page_source
    click(opened, "#section-1 .fold summary")
    opened.execute_script(
        "document.querySelector('#section-1 [data-chart=pareto] .mark-symbol path')"
        ".dispatchEvent(new PointerEvent('pointermove', {bubbles: true}))"
    )
    assert opened.execute_script("return document.querySelectorAll('#vg-tooltip-element script').length") == 0


def test_sorting_by_a_figure_and_back(opened: Any):
    def column() -> list[float]:
        script = (
            "return [...document.querySelectorAll('#section-0 td[data-key=tuned]')].map((e) => Number(e.dataset.value))"
        )
        return opened.execute_script(script)

    header = "#section-0 th[data-key=tuned]"
    click(opened, f"{header} button")
    assert column() == sorted(column(), reverse=True)
    assert opened.execute_script(f"return document.querySelector('{header}').ariaSort") == "descending"
    click(opened, f"{header} button")
    assert column() == sorted(column())
    assert len(set(column())) == 4


def test_a_filter_holds_for_table_and_chart(opened: Any):
    assert len(texts(opened, "tr.row th")) == 4
    assert len(marks(opened)) == 4
    opened.execute_script(
        "const box = document.querySelector('#section-0 .filter input'); box.value = 'L1 50';"
        "box.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    settle(opened)
    assert texts(opened, "tr.row td:nth-child(2)") == ["50 % of MACs"]
    assert texts(opened, ".count") == ["1 of 4 rows"]
    assert len(marks(opened)) == 1


def type_filter(driver: Any, text: str) -> None:
    driver.execute_script(
        "const box = document.querySelector('#section-0 .filter input'); box.value = arguments[0];"
        "box.dispatchEvent(new Event('input', {bubbles: true}))",
        text,
    )


def choose(driver: Any, name: str, value: str) -> None:
    driver.execute_script(
        "const select = document.querySelector(`#section-0 select.${arguments[0]}`); select.value = arguments[1];"
        "select.dispatchEvent(new Event('change', {bubbles: true}))",
        name,
        value,
    )
    settle(driver)


@pytest.mark.parametrize(
    ("asked", "rows"),
    [
        ("ratio=0.5", ["fcf 50", "l1 50"]),
        ("method=l1 macs_cut>0.4", ["l1 50"]),
        ("macs_cut<=25%", ["fcf 25", "l1 25"]),
        ("seed=1 fcf", ["fcf 25", "fcf 50"]),
        ("seed=7", []),
        ("tuned>=0 n=3 repair=none 25", ["fcf 25", "l1 25"]),
    ],
)
def test_a_filter_asks_columns_for_values(opened: Any, asked: str, rows: list[str]):
    type_filter(opened, asked)
    names, cuts = texts(opened, "tr.row th"), texts(opened, "tr.row td:nth-child(2)")
    assert [f"{name} {cut[:2]}" for name, cut in zip(names, cuts, strict=True)] == rows


def test_a_column_that_is_not_there_is_named(opened: Any):
    type_filter(opened, "weight=3")
    assert texts(opened, ".count")[0].startswith("no column weight: try allocation, budget, method")


def test_the_address_keeps_the_view(opened: Any, page: Path):
    type_filter(opened, "method=l1")
    choose(opened, "axis", "params_cut")
    click(opened, "#section-0 th[data-key=tuned] button")
    address = opened.execute_script("return location.href")
    opened.get("about:blank")
    opened.get(address)
    settle(opened)
    settle(opened)
    assert opened.execute_script("return document.querySelector('#section-0 select.axis').value") == "params_cut"
    assert texts(opened, ".count") == ["2 of 4 rows"]
    assert (
        opened.execute_script("return document.querySelector('#section-0 [data-key=tuned]').ariaSort") == "descending"
    )


def marks(driver: Any) -> list[dict[str, Any]]:
    script = (
        "return [...document.querySelectorAll('#section-0 [data-chart=pareto] path[aria-roledescription=point]')]"
        ".filter((each) => !each.__data__.datum.source)"
        ".map((each) => ({...each.__data__.datum, x: each.__data__.x, y: each.__data__.y}))"
    )
    return driver.execute_script(script)


@pytest.mark.parametrize("axis", ["macs_cut", "params_cut", "train_macs"])
def test_marks_stand_in_the_order_of_what_was_measured(opened: Any, axis: str):
    choose(opened, "axis", axis)
    places = marks(opened)
    assert len(places) == 4
    for ours in places:
        for theirs in places:
            if axis != "macs_cut" and ours[axis] == theirs[axis]:
                assert ours["x"] == pytest.approx(theirs["x"]), "never moved apart"
            assert ours["x"] < theirs["x"] or ours[axis] >= theirs[axis] - 0.0005 * (axis == "macs_cut")
            assert ours["y"] < theirs["y"] or ours["accuracy"] <= theirs["accuracy"]


def test_the_chart_can_show_accuracy_straight_after_the_method(opened: Any):
    choose(opened, "stage", "pruned")
    assert all(mark["accuracy"] < 0.3 for mark in marks(opened))
    choose(opened, "stage", "arrows")
    assert all(mark["accuracy"] > 0.8 and mark["before"] < 0.3 for mark in marks(opened))


def exported(driver: Any, kind: str) -> str:
    click(driver, f"#section-0 .export button[value={kind}]")
    return driver.execute_script("return document.querySelector('#section-0 .export textarea').value")


def test_what_is_shown_is_exported(opened: Any):
    type_filter(opened, "ratio=0.5")
    tex = exported(opened, "tex").splitlines()
    assert tex[1:5:2] == ["\\toprule", "\\midrule"]
    assert len(tex) == 8
    assert sum("\\textbf{" in line for line in tex) == 1, "the best of the one rate"
    assert all("$\\pm$" in line and "\\%" in line for line in tex[4:6])
    head, rule, *rows = exported(opened, "md").splitlines()
    assert head.count("|") == rule.count("|") == rows[0].count("|")
    assert sum("**" in row for row in rows) == 1
    assert exported(opened, "csv").count("\n") == 2


def test_columns_are_chosen(opened: Any):
    def shown() -> list[str]:
        return opened.execute_script(
            "return [...document.querySelectorAll('#section-0 .rows thead th')]"
            ".filter((each) => each.offsetParent).map((each) => each.dataset.key)"
        )

    assert {"curve", "pruned", "tuned", "macs_cut", "macs", "params", "widths"} <= set(shown())
    assert "bytes" not in shown()
    click(opened, "#section-0 .choose input.show[value=bytes]")
    assert "bytes" in shown()
    assert "columns=" in opened.execute_script("return location.hash")


def test_on_paper_nothing_overlaps(opened: Any):
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    opened.execute_script("dispatchEvent(new Event('beforeprint'))")
    settle(opened)
    pairs = opened.execute_script(
        "const boxes = [...document.querySelectorAll('h2, h3, p, figure, table, dl, .legend')]"
        ".map((each) => [each, each.getBoundingClientRect()])"
        ".filter(([each, box]) => each.checkVisibility() && box.width && box.height);"
        "return boxes.flatMap(([a, x]) => boxes.filter(([b, y]) => a !== b && !a.contains(b) && !b.contains(a) &&"
        "Math.min(x.right, y.right) - Math.max(x.left, y.left) > 2 &&"
        "Math.min(x.bottom, y.bottom) - Math.max(x.top, y.top) > 2)"
        ".map(([b]) => [a, b].map((each) => each.outerHTML.slice(0, 80))))"
    )
    assert pairs == []
    details = texts(opened, "tr.detail")
    assert len(details) == 4, "rows are opened on paper"
    opened.execute_script("dispatchEvent(new Event('afterprint'))")
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_a_large_page_is_packed_and_shows_the_same(driver: Any, opened: Any, packed: Path):
    before = texts(opened, "tr.row td")
    assert "python run.py" not in packed.read_text()
    browser.open_page(driver, packed)
    assert texts(driver, "tr.row td") == before


@pytest.fixture
def packed(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same page as a large one has it."""
    plain, large = page.read_text(), tmp_path / "packed.html"
    monkeypatch.setattr("experiments.report.render.page.MOST_PLAIN", 0)
    large.write_text(write_report(page.parent).read_text())
    page.write_text(plain)
    return large


def shorten_tables(page: Path, rows: int) -> Path:
    """As if no more were shown at first."""
    text = page.read_text()
    assert "const LONG = 100;" in text
    page.write_text(text.replace("const LONG = 100;", f"const LONG = {rows};"))
    return page


def test_a_long_table_is_shown_as_far_as_anybody_reads(driver: Any, packed: Path):
    browser.open_page(driver, shorten_tables(packed, 3))
    assert len(texts(driver, "tr.row th")) == 3
    assert len(marks(driver)) == 4, "the chart has them all"
    assert texts(driver, ".rest-of-rows") == ["show all 4 rows"]
    assert exported(driver, "csv").count("\n") == 4
    click(driver, "#section-0 .rest-of-rows")
    assert (len(texts(driver, "tr.row th")), texts(driver, ".rest-of-rows")) == (4, [])


def test_paper_has_all_rows_of_a_long_table(driver: Any, packed: Path):
    browser.open_page(driver, shorten_tables(packed, 1))
    assert len(texts(driver, "tr.row th")) == 1
    driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert len(texts(driver, "tr.row th")) == 4
    driver.execute_script("dispatchEvent(new Event('afterprint'))")
    assert len(texts(driver, "tr.row th")) == 1


def test_filter_and_order_see_rows_that_are_not_shown(driver: Any, packed: Path):
    browser.open_page(driver, shorten_tables(packed, 1))
    first = texts(driver, "tr.row td:nth-child(2)") + texts(driver, "tr.row th")
    assert first == ["25 % of MACs", "fcf"]
    type_filter(driver, "method=l1 macs_cut>0.4")
    assert (texts(driver, "tr.row th"), texts(driver, ".rest-of-rows")) == (["l1"], [])
    assert exported(driver, "csv").count("\n") == 1
    type_filter(driver, "")
    click(driver, "#section-0 th[data-key=macs_cut] button")
    assert texts(driver, "tr.row td:nth-child(2)") == ["50 % of MACs"]
    assert texts(driver, ".place") != [], "a row that is shown later knows its place too"


def test_a_method_may_be_left_out(opened: Any):
    click(opened, "#section-0 .legend input")
    assert len(texts(opened, "tr.row th")) == 2
    click(opened, "#section-0 .legend input")
    assert len(texts(opened, "tr.row th")) == 4


def test_another_axis_is_drawn(opened: Any):
    opened.execute_script(
        "const axis = document.querySelector('#section-0 .axis'); axis.value = 'train_macs';"
        "axis.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    settle(opened)
    assert "training cost" in " ".join(texts(opened, "[data-chart=pareto] text"))


def test_a_row_opens_to_its_runs_and_commands(opened: Any):
    assert texts(opened, "tr.detail") == []
    click(opened, "#section-0 .more")
    (detail,) = texts(opened, "tr.detail")
    assert detail.count("python run.py") == 3


def test_two_rows_stand_side_by_side(opened: Any):
    for row in (1, 2):
        opened.execute_script(f"document.querySelectorAll('#section-0 .more')[{row}].click()")
    opened.execute_script("document.querySelector('#section-0 .versus').click()")
    assert texts(opened, ".versus") == ["now open the row to compare with", "compare with fcf at 50 % of MACs"]
    opened.execute_script("document.querySelectorAll('#section-0 .versus')[1].click()")
    heads, names = texts(opened, ".beside thead th"), texts(opened, ".beside tbody th")
    assert heads[1:3] == ["fcf at 50 % of MACs", "l1 at 25 % of MACs"]
    macs = texts(opened, ".beside tbody tr:nth-child(1) td")
    assert names[0] == "asked"
    assert macs == ["50 % of MACs", "25 % of MACs", ""]
    line = names.index("MACs cut %") + 1
    assert texts(opened, f".beside tbody tr:nth-child({line}) td:last-child") == ["\u221225.00 points"]
    assert "filters of conv1" in names


def test_a_published_figure_is_a_hollow_mark_with_its_source(opened: Any):
    assert "published" in texts(opened, "[data-chart=pareto] .mark-text text")
    script = (
        "return [...document.querySelectorAll('#section-0 [data-chart=pareto] .mark-symbol path')]"
        ".filter((each) => each.__data__.datum.source).map((each) => [each.__data__.datum, each.getAttribute('fill')])"
    )
    ((datum, fill),) = opened.execute_script(script)
    assert fill == "transparent"
    assert (datum["macs_cut"], datum["accuracy"], datum["counted"]) == (
        0.26,
        0.91,
        "all operations, as its authors count",
    )
    choose(opened, "stage", "pruned")
    assert opened.execute_script(script) == []


def test_a_caption_explains_the_marks_that_there_are(opened: Any):
    caption = texts(opened, "figcaption")[0]
    assert "95 % interval" in caption
    assert "papers printed" in caption
    assert "one seed" not in caption
    assert "two seeds" not in caption
    assert "Hollow: one seed" in texts(opened, "figcaption", "#section-1")[0]


def test_a_place_is_a_number_or_tied(opened: Any):
    titles = opened.execute_script("return [...document.querySelectorAll('#section-0 td.place')].map((e) => e.title)")
    found = dict(zip(titles, texts(opened, "td.place"), strict=True))
    words = {"place 1 of 2": "1", "place 2 of 2": "2", "place 1 to 2 of 2": "tied"}
    assert found
    assert all(found[title] == words[title.removesuffix(" rows of this cut")] for title in titles)


def test_a_stricter_rule_ranks_fewer_together(opened: Any):
    """FCF learns for two epochs, L1 is granted them as fine-tuning: together by the default rule, apart at S3.1."""
    assert "no rival" not in texts(opened, ".level")
    opened.execute_script(
        "const rule = document.querySelector('#section-0 .rule'); rule.value = 'S3.1';"
        "rule.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    settle(opened)
    assert set(texts(opened, ".level")) == {"no rival"}


def test_epochs_that_two_halves_do_not_share_are_said_at_the_top(opened: Any):
    (line,) = texts(opened, ".odd")
    assert re.search(r"fine-tuning epochs \d+ \((fcf|l1)\), \d+ \((fcf|l1)\); pruning epochs", line)


def test_a_failed_run_is_shown_with_its_reason(opened: Any):
    (reason,) = texts(opened, "td.reason", ".troubles")
    assert reason.startswith("line 1\n<script>")
    assert texts(opened, ".badge", ".troubles") == ["FAILED"]


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_nothing_runs_over_the_edge(driver: Any, page: Path, width: int, scheme: str):
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.open_page(driver, page)
    assert driver.execute_script("return document.documentElement.scrollWidth") <= width
    ink, paper = driver.execute_script(
        "return [getComputedStyle(document.body).color, getComputedStyle(document.documentElement).backgroundColor]"
    )
    lines = driver.execute_script(
        "return [...document.querySelectorAll('.claim')].map((each) => "
        "each.getBoundingClientRect().height / parseFloat(getComputedStyle(each).lineHeight))"
    )
    assert len(lines) == 2
    assert max(lines) < 2.1, "the sentence at the top is never longer"
    assert ("232, 235, 238" in ink, "20, 23, 26" in paper) == (scheme == "dark", scheme == "dark")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

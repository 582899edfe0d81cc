"""The page as its reader has it: in Chromium, without a network."""

import json
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
    synthetic_runs.write_runs(folder, ("l1", "fcf"), (0.25, 0.5), range(3))
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


@pytest.fixture
def opened(driver: Any, page: Path) -> Any:
    browser.open_page(driver, page)
    return driver


def texts(driver: Any, selector: str, within: str = "#section-0") -> list[str]:
    shown = "[...document.querySelectorAll(arguments[0])].filter((each) => !each.closest('[hidden]'))"
    script = f"return {shown}.map((each) => each.textContent)"
    return [text.strip() for text in driver.execute_script(script, f"{within} {selector}")]


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
    assert [name for name, there in drawn if not there] == ["inside"], "random has nothing to say of itself"


def test_hostile_names_are_text(opened: Any):
    assert opened.execute_script("return window.stolen") is None
    body = opened.execute_script("return document.body.innerText")
    assert "<script>window.stolen=1</script>" in body
    assert "\x1b" not in opened.page_source
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
    points = "#section-0 [data-chart=pareto] path[aria-roledescription=point]"
    assert len(texts(opened, "tr.row th")) == 4
    assert opened.execute_script("return document.querySelectorAll(arguments[0]).length", points) == 4
    opened.execute_script(
        "const box = document.querySelector('#section-0 .filter input'); box.value = 'L1 50';"
        "box.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    settle(opened)
    assert texts(opened, "tr.row td:nth-child(2)") == ["50 % of MACs"]
    assert texts(opened, ".count") == ["1 of 4 rows"]
    assert opened.execute_script("return document.querySelectorAll(arguments[0]).length", points) == 1


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


def test_a_stricter_rule_ranks_fewer_together(opened: Any):
    """FCF learns for two epochs, L1 is granted them as fine-tuning: together by the default rule, apart at S3.1."""
    assert "no rival" not in texts(opened, ".level")
    opened.execute_script(
        "const rule = document.querySelector('#section-0 .rule'); rule.value = 'S3.1';"
        "rule.dispatchEvent(new Event('change', {bubbles: true}))"
    )
    settle(opened)
    assert set(texts(opened, ".level")) == {"no rival"}


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
    assert ("232, 235, 238" in ink, "20, 23, 26" in paper) == (scheme == "dark", scheme == "dark")
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})

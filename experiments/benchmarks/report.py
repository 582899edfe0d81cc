"""The report over 1,008 and 5,000 runs: how long it takes to make, how large it is, how soon Chromium has drawn it."""

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

from experiments.benchmarks import synthetic_runs
from experiments.benchmarks.browser import open_browser, open_page
from experiments.benchmarks.harness import Aim, Row, number, run_benchmark
from experiments.report import write_report

MEGABYTES = 6.0
VISITS = 5


class Page(NamedTuple):
    """Runs of four methods. Seeds of one ratio are one row of its table."""

    rows: str
    ratios: list[float]
    seeds: range
    seconds: float  # until it is drawn, at the most


PAGES = (
    Page("336 rows", [step / 100 for step in range(5, 89)], range(3), 2.0),
    Page("1,668 rows", [round(0.05 + 0.002 * step, 4) for step in range(417)], range(3), 3.0),
    Page("5,000 rows", [round(0.05 + 0.0007 * step, 4) for step in range(1250)], range(1), 3.0),
)


def measure() -> list[Row]:
    return [measure_page(page) for page in PAGES]


def measure_page(page: Page) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        runs = synthetic_runs.write_runs(Path(folder), synthetic_runs.METHODS, page.ratios, page.seeds)
        start = time.perf_counter()
        file = write_report(Path(folder))
        seconds = time.perf_counter() - start
        size, visits = file.stat().st_size, [seconds_to_draw(file) for _ in range(VISITS)]
        return page_row(f"{len(runs):,} runs, {page.rows}", seconds, size, visits)


def page_row(page: str, seconds: float, size: int, drawn_after: list[float]) -> Row:
    return {
        "page": page,
        "made in, s": seconds,
        "size, MB": size / 1e6,
        "drawn after, s (median)": median(drawn_after),
        "drawn after, s (worst)": max(drawn_after),
    }


def seconds_to_draw(page: Path) -> float:
    """From the start of navigation in a fresh browser until the last chart stands."""
    with open_browser() as driver:
        open_page(driver, page)
        return int(driver.execute_script("return document.querySelector('.comparison').dataset.drawn")) / 1000


def aims(rows: Sequence[Row]) -> list[Aim]:
    return [aim for page, row in zip(PAGES, rows, strict=True) for aim in page_aims(page, row)]


def page_aims(page: Page, row: Row) -> list[Aim]:
    return [
        Aim(f"{row['page']}: drawn after, s", page.seconds, number(row, "drawn after, s (median)"), "most"),
        Aim(f"{row['page']}: size, MB", MEGABYTES, number(row, "size, MB"), "most"),
    ]


if __name__ == "__main__":
    run_benchmark("report", "pages of 5,000 runs open in under 3 s and are smaller than 6 MB", measure, aims)

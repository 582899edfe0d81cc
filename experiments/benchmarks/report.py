"""The report over 1,008 runs: how long it takes to make, how large it is, and how soon Chromium has drawn all of it."""

import tempfile
import time
from pathlib import Path
from statistics import median

from experiments.benchmarks import synthetic_runs
from experiments.benchmarks.browser import open_browser, open_page
from experiments.benchmarks.harness import Row, run_benchmark
from experiments.report import write_report

RATIOS = [percent / 100 for percent in range(5, 89)]
VISITS = 5


def measure() -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        runs = synthetic_runs.write_runs(Path(folder), synthetic_runs.METHODS, RATIOS, range(3))
        start = time.perf_counter()
        page = write_report(Path(folder))
        seconds = time.perf_counter() - start
        return [page_row(len(runs), seconds, page.stat().st_size, [seconds_to_draw(page) for _ in range(VISITS)])]


def page_row(runs: int, seconds: float, size: int, drawn_after: list[float]) -> Row:
    return {
        "runs": runs,
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


if __name__ == "__main__":
    run_benchmark("report", "the page of 1,008 runs opens in under 2 s and is smaller than 6 MB", measure)

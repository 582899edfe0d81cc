"""A headless Chromium of the system, for the report's tests and its speed. Fetches nothing."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

NAMES = {"chromium": ("chromium", "chromium-browser", "google-chrome"), "driver": ("chromedriver",)}
FLAGS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)


def find_executable(what: str) -> str | None:
    return next((path for name in NAMES[what] if (path := shutil.which(name))), None)


def missing_browser() -> str | None:
    """Why there is no browser here."""
    lacking = [what for what in NAMES if find_executable(what) is None]
    return f"no {' and no '.join(lacking)} here: apt-get install chromium chromium-driver" if lacking else None


@contextmanager
def open_browser(width: int = 1280, height: int = 900) -> Iterator["Chrome"]:
    """A driver of selenium that logs the page's console and every request."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = webdriver.ChromeOptions()
        options.binary_location = find_executable("chromium") or ""
        for flag in (*FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = webdriver.Chrome(options=options, service=Service(find_executable("driver")))
        try:
            yield driver
        finally:
            driver.quit()


def open_page(driver: "Chrome", page: Path) -> None:
    """Opens a report and waits until every chart is drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.get(page.resolve().as_uri())
    drawn = "return [...document.querySelectorAll('.comparison[data-section]')].every((each) => each.dataset.drawn)"
    WebDriverWait(driver, 30, poll_frequency=0.05).until(lambda opened: opened.execute_script(drawn))

"""Sweeps whose driver is killed, and sweeps that begin together. Faults E7 and E9 of docs/faults.md."""

import time
from pathlib import Path

import pytest
from sweeping import finish, start

from experiments import record, sweeps


@pytest.mark.sweeps
def test_a_killed_driver_is_followed_by_one_that_does_what_is_left(tmp_path: Path) -> None:
    asked = ("method=l1", "ratio=0.25,0.5")
    driver = start(tmp_path, *asked)
    while not list(tmp_path.glob("*/record.json")):
        assert driver.poll() is None
        time.sleep(0.1)
    driver.kill()
    finish(driver)
    done = {path: path.read_bytes() for path in tmp_path.glob("*/record.json")}
    code, output = finish(start(tmp_path, *asked))
    assert code == 0, output
    assert "2 jobs: 2 done" in output
    made = [record.read(path) for path in tmp_path.glob("*/record.json")]
    assert sorted(each.ratio for each in made) == [0.25, 0.5]
    assert all(path.read_bytes() == content for path, content in done.items())


def test_sweeps_have_folders_by_what_they_ask_not_by_the_clock(tmp_path: Path) -> None:
    first = sweeps.place(tmp_path, ["method=l1,fcf", "seed=0,1"])
    assert sweeps.place(tmp_path, ["seed=0,1", "method=l1,fcf"]) == first
    assert sweeps.place(tmp_path, ["method=l1,fcf", "seed=0,2"]) != first

"""A Chromium without a window, driven by playwright: for pictures of the board, and for its tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.errors import BrowserMissing

if TYPE_CHECKING:
    from playwright.sync_api import Browser

VARIABLE = "MODELYARD_BROWSER"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = (
    Path("/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
    Path("/Applications/Chromium.app/Contents/MacOS/Chromium"),
)


def find_browser(environment: Mapping[str, str]) -> Path | None:
    """The Chromium or Chrome of this machine: that of MODELYARD_BROWSER, of PATH, or of macOS' usual places."""
    named = environment.get(VARIABLE)
    if named:
        return Path(named) if Path(named).is_file() else None
    found = next(filter(None, (shutil.which(name, path=environment.get("PATH")) for name in NAMES)), None)
    return Path(found) if found else next((place for place in PLACES if place.is_file()), None)


@contextmanager
def open_browser() -> Iterator[Browser]:
    """A browser without a window; it is closed at the end.

    Raises:
        BrowserMissing: there is none on this machine, or no playwright to drive it.
    """
    program = find_browser(os.environ)
    if program is None:
        raise BrowserMissing(f"no Chromium or Chrome on this machine (looked for {', '.join(NAMES)} on PATH)")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise BrowserMissing("playwright is not installed: it is of the dependency group dev") from error
    # Chromium's sandbox does not work for root, and /dev/shm is small in many containers.
    options = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=str(program), args=options)
        try:
            yield browser
        finally:
            browser.close()

"""`invoke pictures`: the board's pictures for docs and README, taken while a real story runs.

The story is told by `./invoke demo --fast` in a yard of its own; the pages stand open in a browser from its beginning,
and each picture is taken at the moment that the yard itself tells: an alert about drift fires, a canary has traffic.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelyard.connections import FOLDER_VARIABLE, MARK_VARIABLE, REPOSITORY, Connections
from modelyard.console import say
from modelyard.errors import CommandFailed, PicturesMissing
from modelyard.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from modelyard.settings import Settings

IMAGES = REPOSITORY / "docs" / "images"
NAME = "pictures"
LOOK_EVERY_S = 0.5
DEADLINE_S = 1800.0
UP_DEADLINE_S = 600.0
MOST_BYTES = 250_000


@dataclass(frozen=True)
class Shot:
    """One picture: the page, how large, in which theme, at which moment, and how long that must have lasted."""

    name: str
    path: str
    moment: str
    theme: str
    width: int = 1280
    height: int = 960
    settled_s: float = 4.0


SHOTS = (
    Shot("board-drift", "/d/modelyard-model-health?from=now-5m", "drift", "light", height=1180, settled_s=14.0),
    Shot("board-drift-yard", "/", "drift", "dark", height=760, settled_s=12.0),
    Shot("board-canary", "/d/modelyard-service?from=now-5m", "canary", "light", height=1060, settled_s=9.0),
    Shot("board-canary-yard", "/", "canary", "dark", height=760, settled_s=8.0),
)


def find_moments(yard: Mapping[str, Any], alerts: Iterable[Mapping[str, Any]]) -> set[str]:
    """What is to be seen now: `drift` while InputDrift fires, `canary` while two revisions have traffic.

    Args:
        yard: what the board tells at /api/yard.
        alerts: what Alertmanager holds, as the board tells it.
    """
    found = set()
    if any(alert["labels"].get("alertname") == "InputDrift" for alert in alerts):
        found.add("drift")
    held = (yard.get("status") or {}).get("inferenceservices", ())
    if any(sum(revision["percent"] > 0 for revision in one["revisions"]) > 1 for one in held):
        found.add("canary")
    return found


def choose_due(shots: Iterable[Shot], lasted_s: Mapping[str, float], taken: set[str]) -> list[Shot]:
    """The pictures to take now: their moment has lasted long enough, and they are not taken yet."""
    return [shot for shot in shots if shot.name not in taken and lasted_s.get(shot.moment, -1.0) >= shot.settled_s]


def take() -> None:
    """Bring a yard up, tell the fast story in it, take every picture, and take the yard down.

    Raises:
        BrowserMissing: there is no Chromium. CommandFailed: the story ended with an error.
        PicturesMissing: a moment never came.
    """
    from modelyard.board.browser import open_browser
    from modelyard.settings import Settings
    from modelyard.yard.down import take_down
    from modelyard.yard.up import bring_up

    with open_browser() as browser, tempfile.TemporaryDirectory(prefix="modelyard-pictures-") as folder:
        settings = Settings(name=NAME, state_dir=Path(folder), ports="auto", up_deadline_s=UP_DEADLINE_S)
        try:
            say("bringing a yard up")
            conn = bring_up(settings)
            taken = tell_and_take(browser, conn, settings)
        finally:
            take_down(settings)
    missing = [shot.name for shot in SHOTS if shot.name not in taken]
    if missing:
        raise PicturesMissing(f"no picture was taken of: {', '.join(missing)}")


def tell_and_take(browser: Browser, conn: Connections, settings: Settings) -> set[str]:
    """Run the story, and take each picture at its moment; returns the names of those that were taken.

    Raises:
        CommandFailed: the story ended with an error.
    """
    log = Path(settings.state_dir) / "story.log"
    with log.open("w") as held:
        story = subprocess.Popen(
            [sys.executable, "-m", "invoke", "--search-root", str(REPOSITORY), "demo", "--fast"],
            cwd=REPOSITORY,
            env=_environment(settings),
            stdin=subprocess.DEVNULL,
            stdout=held,
            stderr=subprocess.STDOUT,
        )
    say(f"the story is told: {log}")
    try:
        taken = _watch(conn, story, _open_pages(browser, conn))
    finally:
        if story.poll() is None:
            story.terminate()
        story.wait(60)
    if story.returncode:
        lines = log.read_text("utf-8", "replace").splitlines()[-20:]
        raise CommandFailed(f"the story ended with {story.returncode}", detail="\n".join(lines))
    return taken


def _environment(settings: Settings) -> dict[str, str]:
    mine = {
        "MODELYARD_NAME": settings.name,
        "MODELYARD_STATE_DIR": str(settings.state_dir),
        "MODELYARD_PORTS": settings.ports,
        "MODELYARD_UP_DEADLINE_S": str(settings.up_deadline_s),
    }
    kept = {name: value for name, value in os.environ.items() if name not in (FOLDER_VARIABLE, MARK_VARIABLE)}
    return {**kept, **mine, "NO_COLOR": "1"}


def _open_pages(browser: Browser, conn: Connections) -> dict[str, Page]:
    pages = {}
    for shot in SHOTS:
        pages[shot.name] = browser.new_page(viewport={"width": shot.width, "height": shot.height})
        joint = "&" if "?" in shot.path else "?"
        _go(pages[shot.name], f"{conn.address('board')}{shot.path}{joint}theme={shot.theme}")
    return pages


def _go(page: Page, address: str) -> None:
    """Open an address; the story may start the board anew meanwhile."""
    from playwright.sync_api import Error

    def opened() -> bool:
        try:
            page.goto(address)
        except Error as error:
            raise OSError(str(error)) from error
        return True

    wait_until(opened, what=f"{address} to open", deadline_s=UP_DEADLINE_S)


def _watch(conn: Connections, story: subprocess.Popen, pages: Mapping[str, Page]) -> set[str]:
    """Ask the board for what happens until the story ends; every picture is taken once."""
    taken: set[str] = set()
    began: dict[str, float] = {}
    deadline_s = time.monotonic() + DEADLINE_S
    while story.poll() is None and time.monotonic() < deadline_s:
        now_s = time.monotonic()
        moments = _moments(conn)
        began = {moment: began.get(moment, now_s) for moment in moments}
        for shot in choose_due(SHOTS, {moment: now_s - at_s for moment, at_s in began.items()}, taken):
            save(pages[shot.name], IMAGES / f"{shot.name}.png")
            taken.add(shot.name)
        next(iter(pages.values())).wait_for_timeout(LOOK_EVERY_S * 1000)  # the pages go on meanwhile
    return taken


def _moments(conn: Connections) -> set[str]:
    import httpx

    from modelyard.services.probes import get_json

    try:
        yard = get_json(f"{conn.address('board')}/api/yard")
        return find_moments(yard, get_json(f"{conn.address('board')}/api/alerts")["alerts"])
    except (OSError, ValueError, httpx.HTTPError):
        return set()


def save(page: Page, path: Path) -> None:
    """A picture of what is in sight, in fewer colours: a drawing needs no more."""
    path.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=path, animations="disabled")
    shrink(path)
    say(f"{path.relative_to(REPOSITORY)}  {path.stat().st_size / 1000:.0f} kB")


def shrink(path: Path) -> None:
    """Make a picture of at most 256 colours, which a page of flat colours hardly shows.

    Raises:
        PicturesMissing: it is still larger than a page of the docs should load.
    """
    from PIL import Image

    with Image.open(path) as held:
        held.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        raise PicturesMissing(f"{path} has {path.stat().st_size} bytes", allowed=f"at most {MOST_BYTES}")

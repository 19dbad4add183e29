"""Tells the story: chapter after chapter, a report after each, and an exit code that says whether every claim held."""

from __future__ import annotations

import fcntl
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from modelyard.errors import StoryUnderWay, YardError
from modelyard.story.chapters import CHAPTERS, Chapter, find_chapter
from modelyard.story.claims import ChapterResult, Claim, Finding
from modelyard.story.context import Story
from modelyard.story.narrator import Narrator
from modelyard.story.plan import FAST, FULL, Plan
from modelyard.story.report import Report, exit_code, read_results, write_report

if TYPE_CHECKING:
    from modelyard.connections import Connections
    from modelyard.settings import Settings

LATEST = "latest"
INTERRUPTED = "error: interrupted"


def demo(settings: Settings, *, fast: bool = False, pause: bool = False, only: str = "") -> int:
    """The task: bring the yard up (not for a single chapter), tell the story, and return the exit code.

    Raises:
        YardError: the yard did not come up, there is no such chapter, or another story is being told.
    """
    plan = FAST if fast else FULL
    if only:
        from modelyard.connections import connect
        from modelyard.yard.up import yard_folder

        return tell_chapter(connect(yard_folder(settings), settings), plan, find_chapter(only), settings.namespace)
    from modelyard import doctor
    from modelyard.console import say
    from modelyard.yard.up import bring_up
    from modelyard.yard.view import choose_view

    doctor.before_up(settings, say)
    # what the story deploys has a digest, so anything without one is a mistake here
    conn = bring_up(settings.model_copy(update={"require_registered_models": True}), view=choose_view())
    return tell_story(conn, plan, settings.namespace, pause=pause)


def tell_story(conn: Connections, plan: Plan, namespace: str = "default", *, pause: bool = False) -> int:
    """Tell every chapter on a yard that is up; the exit code is returned."""
    with being_told(conn.layout.reports):
        story = Story(conn, plan, Narrator(), new_folder(conn.layout.reports), namespace)
        results: list[ChapterResult] = []
        started = time.time()
        for number, chapter in enumerate(CHAPTERS, start=1):
            broken = next((result for result in results if result.error), None)
            if broken is not None:
                results.append(unreached(chapter, broken))
                continue
            if pause and number > 1:
                story.narrator.pause()
            story.narrator.open_chapter(chapter, number, len(CHAPTERS), links_of(conn), conn.layout.workspace)
            results.append(tell_one(story, chapter, first=number == 1))
            written(story, [*results, *(unreached(later) for later in CHAPTERS[number:])], started)
            if results[-1].error == INTERRUPTED:
                raise KeyboardInterrupt
        page = written(story, results, started)
        close(story, results, page)
        return exit_code(results)


def tell_chapter(conn: Connections, plan: Plan, chapter: Chapter, namespace: str = "default") -> int:
    """Tell one chapter, going on with the latest story; the exit code is about this chapter's claims alone."""
    with being_told(conn.layout.reports):
        latest = conn.layout.reports / LATEST
        folder = latest.resolve() if latest.exists() else new_folder(conn.layout.reports)
        story = Story(conn, plan, Narrator(), folder, namespace)
        story.narrator.open_chapter(
            chapter, CHAPTERS.index(chapter) + 1, len(CHAPTERS), links_of(conn), conn.layout.workspace
        )
        started = time.time()
        told = tell_one(story, chapter)
        before = read_results(folder / "report.json")
        results = [told if c is chapter else before.get(c.id, unreached(c)) for c in CHAPTERS]
        page = written(story, results, started)
        close(story, [told], page)
        return exit_code([told])


def tell_one(story: Story, chapter: Chapter, *, first: bool = False) -> ChapterResult:
    """Tell a chapter to its end, or to the error that ends it; every claim that it declares is in the result."""
    begun = time.monotonic()
    claims: list[Claim] = []
    error = ""
    try:
        if first:
            start_over(story)
        for finding in chapter.tell(story):
            claims.append(as_claim(chapter, finding))
            story.narrator.claim(claims[-1])
    except YardError as failed:
        error = str(failed)
    except KeyboardInterrupt:
        error = INTERRUPTED
    except Exception as failed:  # a bug or a library's error: told, kept, and the report is written all the same
        (story.folder / "error.txt").write_text(traceback.format_exc(), encoding="utf-8")
        error = f"error: unexpected {type(failed).__name__}: {failed}\n  next: less '{story.folder / 'error.txt'}'"
    told = {claim.id for claim in claims}
    for missing in chapter.claims.keys() - told:
        reason = error or "error: the chapter ended without deciding this"
        claims.append(undecided(chapter, missing, reason))
    order = list(chapter.claims)
    result = ChapterResult(
        chapter.id,
        chapter.title,
        time.monotonic() - begun,
        tuple(sorted(claims, key=lambda claim: order.index(claim.id))),
        error,
    )
    story.narrator.close_chapter(result)
    return result


def start_over(story: Story) -> None:
    """Clear away what an earlier story left in service: a canary is rolled back, then the InferenceService goes.

    Data versions, runs, registered versions and the audit trail stay: they are history, and DVC and MLflow reuse them.
    """
    from modelyard.rollout.canary import describe_traffic, roll_back, shares_of
    from modelyard.waiting import wait_until

    held = story.services.get(story.name)
    if held is None:
        return
    if len(shares_of(held)) > 1:
        story.narrator.say(f"an earlier story left a canary ({describe_traffic(held)}): rolling back")
        roll_back(story.services, story.name)
    story.narrator.say(f"InferenceService {story.name} of an earlier story is deleted: the story begins with none")
    story.services.delete(story.name)
    wait_until(
        lambda: story.services.get(story.name) is None,
        what=f"InferenceService {story.name} to be gone",
        deadline_s=60,
    )


def as_claim(chapter: Chapter, finding: Finding) -> Claim:
    """A finding with its sentence."""
    return Claim(
        id=finding.id,
        claim=chapter.claims[finding.id],
        held=bool(finding.held),
        value=finding.value,
        evidence=finding.evidence,
        command=finding.command,
        chapter=chapter.id,
    )


def undecided(chapter: Chapter, claim: str, reason: str) -> Claim:
    """A claim that nothing was found out about: it does not hold."""
    return Claim(claim, chapter.claims[claim], False, None, {}, "", chapter.id, error=reason)


def unreached(chapter: Chapter, broken: ChapterResult | None = None) -> ChapterResult:
    """A chapter that was not told; its claims do not hold, because nothing shows that they do."""
    reason = f"not told: chapter {broken.id} ended in an error" if broken else "not told"
    claims = tuple(undecided(chapter, claim, reason) for claim in chapter.claims)
    return ChapterResult(chapter.id, chapter.title, 0.0, claims, reached=False)


def written(story: Story, results: Sequence[ChapterResult], started: float) -> Path:
    """Write the report as it stands now."""
    report = Report(
        chapters=tuple(results),
        started=datetime.fromtimestamp(started).astimezone().isoformat(timespec="seconds"),
        seconds=time.time() - started,
        profile=story.plan.profile,
        yard=story.conn.name,
        workspace=str(story.conn.layout.workspace),
        links=links_of(story.conn),
        figures=story.state.figures,
    )
    return write_report(report, story.folder)


def close(story: Story, results: Sequence[ChapterResult], page: Path) -> None:
    """The last lines: how many claims held, which did not, and where the report is."""
    claims = [claim for result in results for claim in result.claims]
    held = sum(claim.held for claim in claims)
    say = story.narrator.say
    say("")
    say(f"{held} of {len(claims)} claims held in {sum(result.seconds for result in results):.0f} s")
    for claim in claims:
        if not claim.held:
            say(f"NOT HELD {claim.id}: {claim.claim}")
    say(f"report: {page}")


def links_of(conn: Connections) -> dict[str, str]:
    """Addresses of the pages that a person may look at; Grafana's only where it runs."""
    pages = {name: conn.address(name) for name in ("mlflow", "prometheus", "alertmanager", "monitor")}
    return {**pages, "grafana": conn.address("grafana")} if answers(conn.address("grafana")) else pages


def answers(address: str) -> bool:
    """Whether anything answers there."""
    import httpx

    try:
        httpx.get(address, timeout=2, trust_env=False)
    except httpx.HTTPError:
        return False
    return True


def new_folder(reports: Path) -> Path:
    """A folder for a new story, and `latest` pointing at it."""
    name = datetime.now().strftime("%Y%m%dT%H%M%S")
    number = 0
    while (folder := reports / (f"{name}-{number}" if number else name)).exists():
        number += 1
    folder.mkdir(parents=True)
    link = reports / f".{LATEST}.part"
    link.unlink(missing_ok=True)
    link.symlink_to(folder.name)
    link.replace(reports / LATEST)
    return folder


@contextmanager
def being_told(reports: Path) -> Iterator[None]:
    """Held while a story is told on a yard: two at a time would count each other's flights.

    Raises:
        StoryUnderWay: another process tells one.
    """
    reports.mkdir(parents=True, exist_ok=True)
    with (reports / ".telling").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StoryUnderWay(
                "a story is being told on this yard already",
                allowed="one at a time, or another yard: MODELYARD_NAME=other MODELYARD_PORTS=auto",
                next_command="./invoke status",
            ) from error
        yield

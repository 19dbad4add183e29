"""What the tasks about the yard do and print; each is one function."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from modelyard.console import say
from modelyard.settings import Settings, load_settings


def settings_with(**options: Any) -> Settings:
    """The settings of the environment, where options that were given on the command line come first.

    Raises:
        SettingError: an option has a value that is not allowed.
    """
    settings = load_settings()
    given = {name: value for name, value in options.items() if value}
    return settings.model_copy(update=given) if given else settings


def up(*, ports: str = "", plan: bool = False) -> None:
    """Bring the yard up, and end with lines that can be pasted."""
    from modelyard import doctor
    from modelyard.faults import tell_in_force
    from modelyard.yard.next_steps import next_steps
    from modelyard.yard.up import bring_up, describe_plan, yard_folder
    from modelyard.yard.view import choose_view

    settings = settings_with(ports=ports)
    if plan:
        say(describe_plan(settings))
        return
    begun = time.monotonic()
    say(f"yard {settings.name} in {yard_folder(settings)}")
    doctor.before_up(settings, say)
    conn = bring_up(settings, view=choose_view())
    say(f"up: every service has answered, after {time.monotonic() - begun:.1f}s")
    for line in (*tell_in_force(conn), *next_steps(conn)):
        say(line)


def down() -> None:
    """Take the yard down."""
    from modelyard.yard.down import take_down

    begun = time.monotonic()
    ended = take_down(load_settings(), say=say)
    say(f"down: no process is left, after {time.monotonic() - begun:.1f}s" if ended else "down: nothing was up")


def reset(*, yes: bool = False, ask: Callable[[str], str] = input) -> int:
    """Forget the yard's data, after a question."""
    from modelyard.yard.reset import describe_loss, forget

    settings = load_settings()
    loss = describe_loss(settings)
    if not loss:
        say("reset: there is no yard")
        return 0
    for line in loss:
        say(line)
    if not yes and not agrees(ask):
        say("reset: nothing was changed")
        return 1
    forget(settings, say=say)
    say("reset: the yard is gone; ./invoke up makes a new one")
    return 0


def agrees(ask: Callable[[str], str]) -> bool:
    """Whether the person types yes; the end of input is no."""
    try:
        return ask("Forget all of it? Type yes: ").strip().lower() == "yes"
    except EOFError:
        return False


def env() -> None:
    """Print shell exports, to be evaluated."""
    from modelyard.connections import connect
    from modelyard.yard.environment import render_exports
    from modelyard.yard.up import yard_folder

    settings = load_settings()
    print(render_exports(connect(yard_folder(settings), settings), settings))


def status(*, json: bool = False) -> int:
    """Print what is up; the exit code says whether every service that must be ready is."""
    from modelyard.yard.status import observe, print_table, to_json

    found = observe(load_settings())
    if json:
        print(to_json(found))
    else:
        print_table(found)
    return 0 if found.ready else 1


def logs(service: str = "", *, follow: bool = False, lines: int = 50) -> int:
    """Print the end of the logs."""
    from modelyard.yard.logs import show_logs

    return show_logs(load_settings(), service, follow=follow, lines=lines)


def open_pages(service: str = "") -> None:
    """Print the pages of the yard, and open them where there is a browser."""
    from modelyard.yard.pages import open_page

    for line in open_page(load_settings(), service):
        say(line)

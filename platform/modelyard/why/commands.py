"""What `why` does and prints."""

from __future__ import annotations

from modelyard.connections import connect
from modelyard.console import say
from modelyard.errors import NameUnknown
from modelyard.settings import load_settings
from modelyard.why.diagnosis import about, diagnose, find_subject, hidden, known_names
from modelyard.why.gather import gather
from modelyard.why.page import render, render_all
from modelyard.yard.up import yard_folder


def why(name: str = "") -> int:
    """Say what is wrong, of one thing or of the whole yard; the exit code is 1 where something is.

    Raises:
        YardNotUp: there is no yard.
        NameUnknown: there is nothing of that name; the message lists what there is.
    """
    settings = load_settings()
    facts = gather(connect(yard_folder(settings), settings), settings)
    found = diagnose(facts)
    if not name:
        for line in render_all(facts, found, hidden(facts, found)):
            say(line)
        return 1 if found else 0
    subject = find_subject(facts, name)
    if subject is None and facts.services is None and found:
        for line in render_all(facts, found, hidden(facts, found)):  # whether there is one nobody can say now
            say(line)
        return 1
    if subject is None:
        raise NameUnknown(f"there is nothing called {name!r} here", allowed=", ".join(known_names(facts)))
    told = about(facts, subject, found)
    for diagnosis in told:
        for line in render(diagnosis):
            say(line)
    return 1 if any(diagnosis.next_command for diagnosis in told) else 0

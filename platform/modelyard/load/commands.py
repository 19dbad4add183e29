"""What the task `load` does and prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from modelyard.console import say
from modelyard.errors import OptionInvalid
from modelyard.settings import load_settings


def load(kind: str, *, name: str = "", body: str = "", fast: bool = False, slo: Sequence[str] = ()) -> int:
    """Run a load test on the yard that the settings name; the exit code says whether its SLO was met.

    Raises:
        YardNotUp: there is no yard.
        YardError: there is no such load test, or it could not be run to its end.
    """
    from modelyard.connections import connect
    from modelyard.load.objectives import exit_code
    from modelyard.load.running import Choices, run
    from modelyard.load.view import print_verdicts
    from modelyard.yard.up import yard_folder

    settings = load_settings()
    conn = connect(yard_folder(settings), settings)
    choices = Choices(name, fast, tuple(slo), settings.namespace, read_body(body))
    test, outcome = run(conn, kind, choices)
    print_verdicts(outcome.verdicts)
    code = exit_code(outcome.verdicts)
    say(f"\n{'the SLO is met' if code == 0 else 'THE SLO IS MISSED'}; report: {test.folder / 'report.html'}")
    return code


def read_body(path: str) -> str:
    """A request's body from a file; empty where no file is named.

    Raises:
        OptionInvalid: the file is not there, or is no body of protocol V1.
    """
    if not path:
        return ""
    try:
        held = json.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise OptionInvalid(f"--body {path} cannot be read: {error}", allowed='{"instances": [[1.0, 2.0]]}') from error
    if not isinstance(held, dict) or not isinstance(held.get("instances"), list):
        raise OptionInvalid(f"--body {path} has no list of instances", allowed='{"instances": [[1.0, 2.0]]}')
    return json.dumps(held)

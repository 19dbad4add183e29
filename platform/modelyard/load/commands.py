"""What the task `load` does and prints."""

from __future__ import annotations

from collections.abc import Sequence

from modelyard.console import say
from modelyard.settings import load_settings


def load(kind: str, *, name: str = "", fast: bool = False, slo: Sequence[str] = ()) -> int:
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
    test, outcome = run(conn, kind, Choices(name, fast, tuple(slo), settings.namespace))
    print_verdicts(outcome.verdicts)
    code = exit_code(outcome.verdicts)
    say(f"\n{'the SLO is met' if code == 0 else 'THE SLO IS MISSED'}; report: {test.folder / 'report.html'}")
    return code

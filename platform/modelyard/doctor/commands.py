"""What `invoke doctor` does, and what `up` asks of it."""

from __future__ import annotations

from collections.abc import Callable

from modelyard.settings import Settings


def doctor(*, json: bool = False, docker: bool = False) -> int:
    """Examine, tell, and end with 1 where something has to be mended."""
    from modelyard.doctor.examination import examine, read_settings
    from modelyard.doctor.finding import sort_by_severity
    from modelyard.doctor.report import lines, to_json

    settings, wrong = read_settings()
    findings = sort_by_severity([*wrong, *examine(settings, docker=docker)])
    if json:
        print(to_json(findings))
    else:
        _print(lines(findings))
    return 1 if any(finding.state == "problem" for finding in findings) else 0


def _print(told: list[tuple[str, str]]) -> None:
    """Lines that are never wrapped or cut, for the commands have to be pasted; the first word has the colour."""
    from rich.text import Text

    from modelyard.console import console

    for line, style in told:
        text = Text(line, no_wrap=True)
        text.stylize(style, 0, line.find(" ") if " " in line else len(line))
        console().print(text, soft_wrap=True)


def before_up(settings: Settings, say: Callable[[str], None]) -> None:
    """The cheap part, before anything is made: a warning is a line, the first problem ends `up`.

    Raises:
        MachineNotFit: says what was found, why it matters, and the command that mends it.
    """
    from modelyard.doctor.examination import quick
    from modelyard.errors import MachineNotFit

    findings = quick(settings)
    problems = [finding for finding in findings if finding.state == "problem"]
    if problems:
        first, *others = problems
        also = f"{len(others)} more: ./invoke doctor" if others else ""
        raise MachineNotFit(f"{first.found} Because {first.why}.", detail=also, next_command=first.next_command)
    for finding in findings:
        if finding.state == "warning":
            say(f"note: {finding.found} ({finding.why}; ./invoke doctor)")

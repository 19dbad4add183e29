"""What the keeper becomes when the supervisor was killed: `up` without a person, again and again until it succeeds."""

from __future__ import annotations

import time

from modelyard.errors import YardError
from modelyard.settings import load_settings

LONGEST_PAUSE_S = 60.0


def decide_pause_s(failures: int) -> float:
    """Seconds until the next attempt: 2, 4, 8... up to a minute."""
    return min(LONGEST_PAUSE_S, 2.0 ** min(failures, 10))


def main() -> None:
    """Bring the yard of the environment up; ends when every service has answered."""
    from modelyard.yard.up import bring_up
    from modelyard.yard.view import PlainView

    failures = 0
    say("the supervisor has gone; the yard is brought up again")
    while True:
        try:
            bring_up(load_settings(), view=PlainView())
            say("the yard is up again")
            return
        except (YardError, OSError) as error:
            failures += 1
            say(f"not yet ({error}); tried again in {decide_pause_s(failures):.0f}s")
        time.sleep(decide_pause_s(failures))


def say(line: str) -> None:
    """A line with its time."""
    print(f"{time.strftime('%Y-%m-%d %H:%M:%S')} modelyard: {line}", flush=True)


if __name__ == "__main__":
    main()

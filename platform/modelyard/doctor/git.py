"""git: there, new enough, and no stub."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass

from modelyard.doctor.finding import Finding, fine, problem
from modelyard.doctor.system import System

OLDEST = (2, 28)
"""The first whose `git init` takes the name of the branch (git's release notes 2.28)."""
DEADLINE_S = 5.0


@dataclass(frozen=True)
class Answer:
    """What a program said to a question: its exit code (None: it is not there or hung) and its words."""

    code: int | None
    told: str = ""


def ask_program(*words: str, deadline_s: float = DEADLINE_S) -> Answer:
    """Run a program that should answer at once."""
    if shutil.which(words[0]) is None:
        return Answer(None, "not found")
    try:
        done = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=deadline_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Answer(None, f"no answer within {deadline_s:.0f} s")
    except OSError as error:
        return Answer(None, str(error))
    return Answer(done.returncode, (done.stdout + done.stderr).strip())


def gather_git() -> Answer:
    """Ask git for its version."""
    return ask_program("git", "--version")


def decide_git(answer: Answer, system: System) -> list[Finding]:
    """On a Mac without developer tools /usr/bin/git is there and only says how to get it."""
    why = "data versions and models are tied to commits"
    if system.kind == "darwin" and ("xcrun" in answer.told or "xcode-select" in answer.told):
        return [problem("git", "git is only Apple's placeholder.", why, "xcode-select --install")]
    if answer.code is None:
        return [problem("git", f"git does not answer: {answer.told}.", why, system.install("git"))]
    found = re.search(r"(\d+)\.(\d+)(?:\.\d+)*", answer.told)
    if answer.code or not found:
        return [problem("git", f"git --version fails: {_first_line(answer.told)}", why, system.install("git"))]
    if (int(found[1]), int(found[2])) < OLDEST:
        return [
            problem("git", f"git is {found[0]}, 2.28 or newer is needed.", why, system.install("git")),
        ]
    return [fine("git", f"git {found[0]}")]


def _first_line(told: str) -> str:
    return (told.splitlines() or ["it says nothing"])[0]

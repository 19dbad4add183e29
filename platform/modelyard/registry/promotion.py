"""Aliases move, and every move is written down: who, when, from what, to what, why.

The audit trail is kept in the registered model's tags in MLflow, one tag an entry, each under a name of its own: an
entry is added and none is ever changed. MLflow has no login, so `who` is what the person's git or operating system
says, and the entry says so.
"""

from __future__ import annotations

import getpass
import json
import secrets
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

from modelyard.connections import Connections
from modelyard.errors import OptionInvalid
from modelyard.registry.gate import require_passed
from modelyard.registry.mlflow_api import mlflow_client, mlflow_errors
from modelyard.registry.models import find_version

ALIASES = ("staging", "production")
AUDIT_PREFIX = "modelyard.dev/audit-"


@dataclass(frozen=True)
class AuditEntry:
    """One move of an alias.

    Attributes:
        when: UTC, ISO 8601.
        who: e-mail or user name, as claimed.
        who_from: where the claim comes from, "git e-mail, claimed" or "OS user, claimed".
        model: registered model.
        alias: that moved.
        from_version: it pointed at before, or None.
        to_version: it points at now.
        why: in the person's words.
    """

    when: str
    who: str
    who_from: str
    model: str
    alias: str
    from_version: str | None
    to_version: str
    why: str

    def line(self) -> str:
        """The entry as a person reads it."""
        return (
            f"{self.when[:19]}Z  @{self.alias}: {self.from_version or 'nothing'} -> {self.to_version}  "
            f"by {self.who} ({self.who_from}): {self.why}"
        )


def promote(conn: Connections, model: str, version: str, alias: str, why: str) -> AuditEntry:
    """Point an alias at a version that passed the gate, and write down the move.

    The entry is written before the alias moves: whoever is killed between the two leaves a trail that says what was
    meant, and the same command finishes the move. An alias that points there already is not written down again.

    Args:
        conn: the yard.
        model: registered model.
        version: number or another alias of the version.
        alias: staging or production.
        why: the reason, for the audit trail.

    Raises:
        GateRefused: the version has not passed the gate.
        RegistryError, OptionInvalid: no such version or alias, or no reason.
    """
    if alias not in ALIASES:
        raise OptionInvalid(f"alias is {alias!r}", allowed=", ".join(ALIASES))
    if not why.strip():
        raise OptionInvalid(
            "a promotion needs a reason: why is empty",
            allowed="a sentence",
            next_command=f"./invoke promote --version {version} --why 'It passed the gate'",
        )
    chosen = find_version(conn, model, version)
    require_passed(chosen)
    client = mlflow_client(conn)
    with mlflow_errors(f"@{alias} of {model} was not moved", next_command="./invoke status"):
        before = client.get_registered_model(model).aliases.get(alias)
        before = str(before) if before else None
        last = next((entry for entry in reversed(history(conn, model)) if entry.alias == alias), None)
        if last is not None and is_written_down(last, before, chosen.version):
            entry = last
        else:
            entry = new_entry(model, alias, before, chosen.version, why.strip())
            client.set_registered_model_tag(model, tag_name(entry), json.dumps(asdict(entry)))
        client.set_registered_model_alias(model, alias, chosen.version)
    return entry


def history(conn: Connections, model: str) -> list[AuditEntry]:
    """Every move of the model's aliases, oldest first; none where the model is not registered.

    Raises:
        YardError: MLflow does not answer.
    """
    client = mlflow_client(conn)
    with mlflow_errors(f"the audit trail of {model} could not be read", next_command="./invoke status"):
        found = client.search_registered_models(f"name = '{model}'")
    tags = found[0].tags if found else {}
    return [AuditEntry(**json.loads(value)) for name, value in sorted(tags.items()) if name.startswith(AUDIT_PREFIX)]


def is_written_down(last: AuditEntry, now_at: str | None, to_version: str) -> bool:
    """Whether an alias' last entry tells this move: it was made already, or begun and not finished.

    An alias that somebody moved in MLflow itself is at a version that the last entry does not know: that is a new move.
    """
    return last.to_version == to_version and now_at in (to_version, last.from_version)


def new_entry(model: str, alias: str, before: str | None, after: str, why: str) -> AuditEntry:
    """An entry for a move that happens now."""
    who, who_from = claimed_identity()
    when = datetime.now(UTC).isoformat(timespec="microseconds")
    return AuditEntry(when, who, who_from, model, alias, before, after, why)


def tag_name(entry: AuditEntry) -> str:
    """A tag name that sorts by time and that no other entry has, be it of the same microsecond."""
    moment = datetime.fromisoformat(entry.when).strftime("%Y%m%dT%H%M%S.%fZ")
    return f"{AUDIT_PREFIX}{moment}-{secrets.token_hex(3)}"


def claimed_identity() -> tuple[str, str]:
    """Who works here, and where that comes from: git's e-mail, else the user of the operating system."""
    asked = subprocess.run(
        ["git", "config", "--global", "--get", "user.email"], capture_output=True, text=True, check=False
    )
    if asked.returncode == 0 and asked.stdout.strip():
        return asked.stdout.strip(), "git e-mail, claimed"
    return getpass.getuser(), "OS user, claimed"

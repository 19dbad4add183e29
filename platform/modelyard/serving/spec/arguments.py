"""Arguments of KServe's model server that a predictor may give: which count on this machine, and with what value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

YES, NO = frozenset({"y", "yes", "t", "true", "on", "1"}), frozenset({"n", "no", "f", "false", "off", "0"})
"""As kserve.utils.strtobool takes them."""


@dataclass(frozen=True)
class ServerArguments:
    """Arguments that count; defaults are a replica's, not KServe's: see docs/kserve.md.

    Attributes:
        enable_latency_logging: a line in the log for each request.
        enable_docs_url: Swagger's page at /docs.
        timeout_keep_alive: seconds after which an idle connection is closed.
        nthread: threads of XGBoost or LightGBM.
    """

    enable_latency_logging: bool = False
    enable_docs_url: bool = False
    timeout_keep_alive: int = 65
    nthread: int = 1


NO_EFFECT = frozenset({"model_dir", "http_port", "grpc_port", "max_threads", "max_asyncio_workers", "event_loop"})
"""Taken, because manifests have them, and without effect: where the model lies and who listens is known here."""
FIXED = {"workers": ("1",), "enable_grpc": ("false", "0"), "configure_logging": ("true", "1")}
"""Taken with the only value that a replica has."""


class BadArgument(ValueError):
    """An argument that is not taken; the message says which are."""


def parse_arguments(args: Sequence[str], *, model_name: str) -> ServerArguments:
    """The arguments of a predictor, `--name=value` or `--name value`.

    Raises:
        BadArgument: an argument or its value is not taken.
    """
    held, rest = ServerArguments(), list(args)
    while rest:
        name, value = _next(rest)
        if name == "model_name":
            _only(name, value, (model_name,))
        elif name in FIXED:
            _only(name, value.lower(), FIXED[name])
        elif name not in NO_EFFECT:
            held = _with(held, name, value)
    return held


def _next(rest: list[str]) -> tuple[str, str]:
    word = rest.pop(0)
    name, joined, value = word.partition("=")
    if not name.startswith("--"):
        raise BadArgument(f"argument {word!r} is not --NAME=VALUE")
    if not joined:
        if not rest or rest[0].startswith("--"):
            raise BadArgument(f"argument {word} has no value")
        value = rest.pop(0)
    return name[2:].replace("-", "_"), value


def _only(name: str, value: str, allowed: Sequence[str]) -> None:
    if value not in allowed:
        raise BadArgument(f"argument --{name}={value}: on one machine it can only be {allowed[0]}")


def _with(held: ServerArguments, name: str, value: str) -> ServerArguments:
    kinds = {field.name: type(field.default) for field in fields(held)}
    made: Any
    if name not in kinds:
        known = ", ".join(f"--{known}" for known in (*kinds, "model_name", *sorted(FIXED), *sorted(NO_EFFECT)))
        raise BadArgument(f"argument --{name} is not one that a replica takes: {known}")
    if kinds[name] is bool:
        if value.lower() not in YES | NO:
            raise BadArgument(f"argument --{name}={value} must be true or false")
        made = value.lower() in YES
    else:
        try:
            made = max(1, int(value))
        except ValueError as error:
            raise BadArgument(f"argument --{name}={value} must be a whole number") from error
    return replace(held, **{name: made})

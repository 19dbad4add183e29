"""Shell exports with which kubectl, mlflow and dvc find the yard."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path

from modelyard.connections import FOLDER_VARIABLE, Connections
from modelyard.settings import Settings


def render_exports(conn: Connections, settings: Settings, programs: Path | None = None) -> str:
    """Lines for `eval` in a POSIX shell; values are quoted, PATH and NO_PROXY are extended once.

    The yard is named by its settings and not by its folder, so that `MODELYARD_NAME=other ./invoke ...` in that shell
    still means the other yard.
    """
    variables = {name: value for name, value in conn.environment().items() if name != FOLDER_VARIABLE}
    variables |= {"MODELYARD_NAME": settings.name, "MODELYARD_STATE_DIR": str(settings.state_dir.absolute())}
    return "\n".join([*_exports(variables), _extend_path(programs or Path(sys.prefix) / "bin"), *_extend_no_proxy()])


def _exports(variables: Mapping[str, str]) -> list[str]:
    return [f"export {name}={shlex.quote(value)}" for name, value in sorted(variables.items())]


def _extend_path(programs: Path) -> str:
    quoted = shlex.quote(str(programs))
    return f'case ":$PATH:" in *:{quoted}:*) ;; *) export PATH={quoted}:"$PATH" ;; esac'


def _extend_no_proxy() -> list[str]:
    local = "127.0.0.1,localhost"
    return [
        f'case ",${{{name}-}}," in *,{local},*) ;; *) export {name}="{local}${{{name}:+,${name}}}" ;; esac'
        for name in ("NO_PROXY", "no_proxy")
    ]

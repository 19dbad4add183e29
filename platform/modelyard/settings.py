"""Every setting: its default, its unit and its environment variable (`MODELYARD_` + the name in capitals)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


def _xdg(variable: str, fallback: str) -> Path:
    return Path(os.environ.get(variable) or Path.home() / fallback) / "modelyard"


class Settings(BaseSettings):
    """What a person may set, by environment variable; the command line overrides where it has an option."""

    model_config = SettingsConfigDict(env_prefix="MODELYARD_", extra="ignore")

    name: str = Field("default", pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$", description="Name of the yard")
    state_dir: Path = Field(
        default_factory=lambda: _xdg("XDG_STATE_HOME", ".local/state"), description="Folder that holds the yards"
    )
    cache_dir: Path = Field(
        default_factory=lambda: _xdg("XDG_CACHE_HOME", ".cache"), description="Folder of fetched programs"
    )
    mirror: str = Field(
        "",
        description="Folder or address with the files of programs, in place of every publisher's (a USB stick, a LAN)",
    )
    offline: bool = Field(False, description="Fetch no program over a network; a mirror that is a folder is used")
    grafana: Literal["auto", "never"] = Field(
        "auto", description="Whether Grafana is started where it is to be had within seconds, or left out"
    )
    on: Literal["", "local"] = Field("", description="Substrate; empty continues what is up, else local")
    ports: str = Field("7600", description='First port of the block of 20, or "auto" for a block that is free')
    domain: str = Field("localhost", description="Domain of the InferenceServices' host names")
    namespace: str = Field("default", description="Namespace that the story deploys to")
    require_registered_models: bool = Field(False, description="Refuse models without a digest annotation")
    model_folders: str = Field(
        "", description="Folders, joined by ':', below which file:// models may be read; beside the yard's workspace"
    )
    up_deadline_s: float = Field(240.0, gt=0, description="Seconds until every service must be ready")
    ready_deadline_s: float = Field(120.0, gt=0, description="Seconds until an InferenceService must be ready")
    stop_deadline_s: float = Field(20.0, gt=0, description="Seconds until a stopped process is killed")
    report_deadline_s: float = Field(60.0, gt=0, description="Seconds that Evidently may take for one drift window")
    scrape_interval_s: int = Field(2, ge=1, le=15, description="Seconds between two scrapes and rule evaluations")

    @property
    def model_paths(self) -> tuple[Path, ...]:
        """The folders of `model_folders`."""
        return tuple(Path(folder).expanduser() for folder in self.model_folders.split(os.pathsep) if folder)


def load_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        SettingError: names the variable, its value and what is allowed.
    """
    from pydantic import ValidationError

    from modelyard.errors import SettingError

    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise SettingError(
            f"setting MODELYARD_{field.upper()} is {first.get('input')!r}: {first['msg']}",
            next_command=f"unset MODELYARD_{field.upper()}",
        ) from error
    except RuntimeError as error:  # pathlib's, of a user without an entry in the system's list, as in a container
        raise SettingError(
            "no home folder is known for this user",
            allowed="HOME, or MODELYARD_STATE_DIR and MODELYARD_CACHE_DIR",
            next_command="export HOME=/tmp/modelyard-home",
        ) from error

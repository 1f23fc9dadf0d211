"""Typed settings: defaults, then the user's TOML file, then TOMOSCRIBE_* in the environment.

A wrong value is told and left out; it never keeps the program from starting.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_config_path, user_data_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from model_runtime.placement import Precision

RESOURCES = Path(__file__).resolve().parents[1] / "resources"
_APPLICATION = "tomoscribe"


def settings_file() -> Path:
    """Path of the user's settings file; it need not exist."""
    return user_config_path(_APPLICATION, appauthor=False) / "settings.toml"


class PacsPeer(BaseModel):
    """A DICOM node, as a table ``[[pacs_peers]]`` of the file."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, description="What you call it.")
    ae_title: str = Field(pattern=r"^[!-\[\]-~]{1,16}$", description="What it calls itself.")
    host: str = Field(min_length=1, description="Its address.")
    port: int = Field(104, ge=1, le=65535, description="Its port.")
    tls: bool = Field(False, description="Encrypt; never without.")
    tls_host: str = Field("", description="The name in its certificate; its host if empty.")
    retrieve: Literal["get", "move"] = Field("get", description="Retrieve by C-GET or C-MOVE.")
    charset: str = Field("ISO_IR 192", description="In which character set it is asked.")
    associations: int = Field(3, ge=1, le=16, description="How many associations at a time.")


class DicomwebPeer(BaseModel):
    """A DICOMweb service, as a table ``[[dicomweb_peers]]`` of the file; it holds no password."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, description="What you call it.")
    url: str = Field(pattern=r"^https?://.+", description="Its address, without /studies.")
    login: Literal["none", "basic", "token"] = Field("none", description="How to log in.")
    user: str = Field("", description="Who logs in, for 'basic'.")
    verify: bool = Field(True, description="Demand a valid certificate.")
    connections: int = Field(4, ge=1, le=16, description="How many images at a time.")


class Settings(BaseSettings):
    """What a user can set, in the file or as ``TOMOSCRIBE_<NAME>``."""

    model_config = SettingsConfigDict(env_prefix="TOMOSCRIBE_", extra="forbid")

    data_folder: Path = Field(
        default_factory=lambda: user_data_path(_APPLICATION, appauthor=False),
        description="Reports, drafts and window layout.",
    )
    archive_url: str = Field(
        "",
        pattern=r"^(sqlite:///.+|postgresql(\+psycopg)?://.+)?$",
        description="The archive's database; reports.db in the data folder if none is given.",
    )
    archive_files: Path | None = Field(
        None, description="The archive's files; 'files' in the data folder if none is given."
    )
    model_folder: Path = Field(RESOURCES / "models" / "demo", description="The model to load.")
    contrastive_folder: Path | None = Field(
        None, description="Finds similar cases where the model cannot; a checkpoint of its own."
    )
    prior_cases: Path = Field(RESOURCES / "priors", description="The index of similar cases.")
    model_host: Literal["thread", "process"] = Field(
        "thread", description="Run the model in the program, or in a process of its own."
    )
    model_device: str = Field(
        "auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto, cpu, cuda or cuda:1."
    )
    model_precision: Precision | Literal["auto"] = Field(
        "auto", description="How the language model's weights are stored."
    )
    idle_unload_minutes: float = Field(
        0.0, ge=0.0, le=525600.0, description="Unload the model when it is not used; 0 is never."
    )
    study: Path = Field(RESOURCES / "studies" / "synthetic_chest", description="Opened if none is.")
    decode_workers: int = Field(2, ge=1, le=64, description="Processes that decode images.")
    author: str = Field("", description="Who writes the reports.")
    pacs_peers: list[PacsPeer] = Field([], description="DICOM nodes to ask and to send to.")
    dicomweb_peers: list[DicomwebPeer] = Field([], description="DICOMweb services to ask.")
    pacs_receive: bool = Field(False, description="Receive images while the window is open.")
    pacs_ae_title: str = Field(
        "TOMOSCRIBE", pattern=r"^[!-\[\]-~]{1,16}$", description="This program's AE title."
    )
    pacs_host: str = Field("127.0.0.1", description="Where to receive; 0.0.0.0 for any network.")
    pacs_port: int = Field(11112, ge=1, le=65535, description="At which port to receive.")
    pacs_allowed: list[str] = Field(
        [], description="Who may send besides the peers: AE titles, or AE@ADDRESS."
    )
    pacs_tls: bool = Field(False, description="Receive over TLS only.")
    pacs_certificate: Path | None = Field(None, description="This program's certificate (PEM).")
    pacs_key: Path | None = Field(None, description="Its key (PEM).")
    pacs_authority: Path | None = Field(
        None, description="Who signed the peers' certificates (PEM); the system's if not given."
    )

    @property
    def archive_address(self) -> str | Path:
        """Where the archive's database is."""
        return self.archive_url or self.data_folder / "reports.db"

    @property
    def archive_folder(self) -> Path:
        """Where the archive's files are."""
        return self.archive_files or self.data_folder / "files"


def load_settings(path: Path | None = None) -> tuple[Settings, list[str]]:
    """Read the settings.

    Returns
    -------
    Settings
        Valid settings; what was wrong keeps its default.
    list of str
        A sentence for each value or file that was left out.
    """
    path = path or settings_file()
    values, complaints = _read(path)
    try:
        return Settings(**values), complaints
    except ValidationError as error:
        for fault in error.errors():
            name = str(fault["loc"][0]) if fault["loc"] else ""
            values.pop(name, None)
            complaints.append(f"The setting '{name}' in {path.name} was left out: {fault['msg']}.")
    try:
        return Settings(**values), complaints
    except ValidationError:
        complaints.append("A TOMOSCRIBE_ variable of the environment is wrong; all were left out.")
        return Settings.model_construct(**_defaults()), complaints


def _read(path: Path) -> tuple[dict[str, Any], list[str]]:
    if not path.exists():
        return {}, []
    try:
        return tomllib.loads(path.read_text(encoding="utf-8")), []
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        return {}, [f"The settings file {path} cannot be read and was left out: {error}."]


def _defaults() -> dict[str, Any]:
    fields = Settings.model_fields.items()
    return {name: field.get_default(call_default_factory=True) for name, field in fields}

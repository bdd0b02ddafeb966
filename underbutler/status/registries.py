"""A repository asked without the Butler: its file is read, and its registry's database opened to read."""

from __future__ import annotations

import sqlite3
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

from underbutler.errors import UnderbutlerError
from underbutler.settings import Settings

__all__ = ["Registry", "ask_repository"]

ANSWER_S: Final = 1.5
"""How long a server may take to answer, in seconds."""
_DEFAULT_REGISTRY: Final = "sqlite:///<butlerRoot>/gen3.sqlite3"
_INSTRUMENTS: Final = "SELECT name FROM {schema}instrument ORDER BY name"
_OBSERVED: Final = (
    "SELECT name FROM {schema}instrument WHERE EXISTS "
    "(SELECT 1 FROM {schema}exposure WHERE exposure.instrument = instrument.name) ORDER BY name"
)
_REMOTE: Final = "remote_butler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """A repository that was asked.

    Parameters
    ----------
    instruments
        Names of its instruments; empty where it does not tell them in this way.
    observed
        Names of those of which it has exposures.
    folder
        Local folder of its registry; None where it has none.
    fault
        What is wrong; empty if nothing is.
    why
        The reason.
    cure
        What to do about it.
    passing
        Whether that is only to be known.
    unasked
        Why it could not be asked; empty if it was.
    """

    instruments: tuple[str, ...] = ()
    observed: tuple[str, ...] = ()
    folder: Path | None = None
    fault: str = ""
    why: str = ""
    cure: str = ""
    passing: bool = False
    unasked: str = ""


def ask_repository(uri: str, settings: Settings) -> Registry:
    """Ask a repository whether it is there.

    Parameters
    ----------
    uri
        Folder, ``butler.yaml``, or the address of a server.
    settings
        How S3 is reached, if it is there.
    """
    scheme = urlsplit(uri).scheme
    if scheme in {"http", "https"}:
        return _remote(uri)
    if scheme == "file":
        return _folder(Path(unquote(urlsplit(uri).path)))
    if scheme == "s3":
        return _in_s3(uri, settings)
    if len(scheme) > 1:
        return Registry(unasked=f"what is at {scheme}:// is not asked")
    return _folder(Path(uri))


_GONE: Final = "Mount or bring back the folder, or remove the line `{label}:` from {index}."


def _folder(place: Path) -> Registry:
    file = place if place.suffix == ".yaml" else place / "butler.yaml"
    if not file.parent.exists():
        return Registry(fault="is gone: there is no such folder", cure=_GONE)
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return Registry(fault="is gone: its folder holds no butler.yaml", cure=_GONE)
    except OSError as error:
        return Registry(fault="cannot be read", why=f"{file}: {error}", cure="Correct the rights of that file.")
    return _configured(text, str(file), str(file.parent))


def _in_s3(uri: str, settings: Settings) -> Registry:
    """Read the file of a repository in S3, with the annex's credentials, as the Butler is told them."""
    from underbutler.s3 import make_client, translate_s3_errors

    parts = urlsplit(uri)
    key = parts.path.strip("/")
    key = key if key.endswith(".yaml") else f"{key}/butler.yaml".lstrip("/")
    try:
        client = make_client(settings, timeout_s=ANSWER_S, attempts=1)
        with translate_s3_errors(client, bucket=parts.netloc, key=key):
            text = client.get_object(Bucket=parts.netloc, Key=key)["Body"].read()
    except UnderbutlerError as error:
        return Registry(fault="cannot be read", why=str(error), cure="Correct {index}, or what S3 says.")
    return _configured(text, uri, uri.removesuffix("butler.yaml").rstrip("/"))


def _configured(text: bytes, file: str, root: str) -> Registry:
    """Ask the registry that a repository's file names."""
    import yaml

    try:
        content = yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        return Registry(fault="cannot be read", why=f"{file}: {error}", cure="Correct that file.")
    settings: Mapping[str, Any] = content if isinstance(content, dict) else {}
    if _REMOTE in settings:
        return _remote(str((settings[_REMOTE] or {}).get("url", "")))
    registry = settings.get("registry") or {}
    url = str(registry.get("db") or _DEFAULT_REGISTRY).replace("<butlerRoot>", str(settings.get("root") or root))
    if url.startswith("sqlite"):
        return _sqlite(Path(url.partition("///")[2]))
    return _server(url, registry.get("namespace"))


def _sqlite(path: Path) -> Registry:
    if not path.exists():
        cure = f"Bring {path} back from a backup, " + "or remove the line `{label}:` from {index}."
        return Registry(fault="has lost its registry: there is no such file", why=str(path), cure=cure)
    try:
        with closing(sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=0.5)) as registry:
            names = registry.execute(_INSTRUMENTS.format(schema="")).fetchall()
            observed = registry.execute(_OBSERVED.format(schema="")).fetchall()
    except sqlite3.Error as error:
        if path.with_name(f"{path.name}-journal").exists():
            words = "has a commit that was cut short, or that goes on now"
            cure = "Nothing is to be done: whoever opens the repository next has it rolled back."
            return Registry(folder=path.parent, fault=words, why=str(error), cure=cure, passing=True)
        return Registry(
            folder=path.parent,
            fault="does not answer",
            why=f"{path}: {error}",
            cure=f"Look at the rights of {path} and its folder; if it is damaged, bring it back from a backup.",
        )
    return Registry(
        instruments=tuple(str(name) for (name,) in names),
        observed=tuple(str(name) for (name,) in observed),
        folder=path.parent,
    )


def _server(url: str, namespace: str | None) -> Registry:
    """Ask a registry on PostgreSQL, as the Butler would log in there."""
    from sqlalchemy import create_engine, exc, text

    from underbutler.database_reasons import cure_of, reason_of
    from underbutler.sql import parse_url

    parsed = parse_url(url)
    engine = create_engine(_with_password(parsed), connect_args={"connect_timeout": 2})
    schema = f'"{namespace}".' if namespace else ""
    try:
        with engine.connect() as connection:
            names = connection.execute(text(_INSTRUMENTS.format(schema=schema))).scalars().all()
            observed = connection.execute(text(_OBSERVED.format(schema=schema))).scalars().all()
    except exc.DBAPIError as error:
        reason = reason_of(error) or str(error.orig).strip().partition("\n")[0]
        cure = cure_of(parsed, reason).replace("UNDERBUTLER_DATABASE_URL", "registry.db in its butler.yaml")
        return Registry(fault="does not answer", why=reason, cure=cure)
    finally:
        engine.dispose()
    return Registry(instruments=tuple(map(str, names)), observed=tuple(map(str, observed)))


def _with_password(url: Any) -> Any:
    """Return the URL with the credentials that the Butler finds in its file of them."""
    if url.password is not None:
        return url
    try:
        from lsst.utils.db_auth import DbAuth, DbAuthError
    except ImportError:
        return url
    try:
        found = DbAuth("~/.lsst/db-auth.yaml", envVar="LSST_DB_AUTH")
        user, password = found.getAuth(url.get_backend_name(), url.username, url.host, url.port, url.database)
    except DbAuthError:
        return url
    return url.set(username=user, password=password)


def _remote(url: str) -> Registry:
    request = urllib.request.Request(url, headers={"User-Agent": "underbutler-status"})  # noqa: S310 - http or https
    try:
        with urllib.request.urlopen(request, timeout=ANSWER_S):  # noqa: S310
            return Registry()
    except urllib.error.HTTPError as error:
        if error.code < 500:  # it answers, and wants a token or another path
            return Registry()
        return Registry(fault=f"answers {error.code} {error.reason}", cure="Ask whoever runs that server.")
    except (OSError, ValueError) as error:
        reason = str(getattr(error, "reason", error))
        return Registry(fault="does not answer", why=reason, cure="Ask whoever runs that server, or correct {index}.")

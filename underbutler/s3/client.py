"""boto3's clients: its own chain finds endpoint, region and credentials, and what is set here overrides it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ProfileNotFound
from botocore.loaders import create_loader

from underbutler.errors import AnnexRefusesError, UsageError
from underbutler.settings import Settings, variable_of

from .connections import S3Client, is_stale, note_credentials

__all__ = ["client_config", "is_stale", "make_client", "make_resource", "shared_client"]

_SOURCES: Final = {
    "env": "AWS_ACCESS_KEY_ID",
    "shared-credentials-file": "the profile {profile!r} of {file}",
    "config-file": "the profile {profile!r} of AWS' config file",
    "custom-process": "the credential_process of the profile {profile!r}",
    "custom-process-sso": "the credential_process of the profile {profile!r}",
    "sso": "the single sign-on of the profile {profile!r}",
    "login": "the login of the profile {profile!r}",
    "assume-role": "the role of the profile {profile!r}",
    "assume-role-with-web-identity": "the web identity of AWS_ROLE_ARN",
    "iam-role": "this machine's role",
    "container-role": "this container's role",
}
"""By which way botocore found credentials → what a person knows it by."""


DEFAULT_REGION: Final = "us-east-1"
"""Region where nobody names one: what stores of one's own take, and where AWS looks for the region of a bucket."""


def client_config(
    settings: Settings, *, timeout_s: float = 60.0, region: str | None = None, attempts: int = 3
) -> Config:
    """Return how requests are made.

    Signature version 4, two retries. Bodies are not hashed a second time for the signature: each upload of ours carries
    Content-MD5, which is a signed header. What is not set here is left to boto3: region, checksums, and whether a
    bucket stands in the path, as it does at an endpoint of one's own.

    Parameters
    ----------
    settings
        Region, addressing, and when botocore adds checksums of its own: some older stores refuse them.
    timeout_s
        Longest silence of the store within one request, in seconds.
    region
        Region that boto3's own chain found.
    attempts
        How often a request is tried in all.
    """
    style = {"addressing_style": settings.s3_addressing_style} if settings.s3_addressing_style else {}
    return Config(
        signature_version="s3v4",
        region_name=settings.s3_region or region or DEFAULT_REGION,
        s3={"payload_signing_enabled": False, **style},
        request_checksum_calculation=settings.s3_checksums,
        response_checksum_validation=settings.s3_checksums,
        connect_timeout=min(5.0, timeout_s),
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": attempts},
        max_pool_connections=16,
        tcp_keepalive=True,
    )


def make_client(settings: Settings, *, timeout_s: float = 60.0, attempts: int = 3) -> S3Client:
    """Make the S3 client of this process: make it once, after a fork, and pass it on. It is thread-safe.

    Parameters
    ----------
    settings
        What overrides boto3's own chain.
    timeout_s
        Longest silence of the store within one request, in seconds.
    attempts
        How often a request is tried in all.

    Raises
    ------
    AnnexRefusesError
        If the profile does not exist, a file of AWS' cannot be read, or a program of its gives no credentials.
    UsageError
        If the endpoint is not a URL.
    """
    with _configured(settings):
        session = _session()
        config = client_config(settings, timeout_s=timeout_s, region=session.region_name, attempts=attempts)
        client = session.client("s3", config=config, **_overrides(settings))
        note_credentials(client, _source(session, settings))
        return client


def make_resource(settings: Settings, *, mock: bool = False) -> Any:
    """Make boto3's resource of S3, as the seed's bucket has it.

    Parameters
    ----------
    settings
        What overrides boto3's own chain.
    mock
        For a simulation inside this process: no endpoint and no credentials but the simulation's.

    Raises
    ------
    AnnexRefusesError, UsageError
        As `make_client`.
    """
    with _configured(settings):
        session = _session()
        config = client_config(settings, region=session.region_name)
        if mock:  # a simulation never reaches a real store, whatever the environment says
            config = config.merge(Config(region_name=DEFAULT_REGION, s3={"addressing_style": "path"}))
            return session.resource("s3", region_name=DEFAULT_REGION, config=config, endpoint_url=_MOCKED)
        resource = session.resource("s3", config=config, **_overrides(settings))
        note_credentials(resource.meta.client, _source(session, settings))
        return resource


_MOCKED: Final = "https://s3.amazonaws.com"

_shared: Final[dict[tuple[object, ...], S3Client]] = {}


def shared_client(settings: Settings) -> S3Client:
    """Return the client that whoever was given none shares in this process: made at first use, after a fork anew.

    Parameters
    ----------
    settings
        Those of the store; other settings have another client. One whose credentials have expired is replaced.
    """
    key = (
        os.getpid(),
        settings.s3_endpoint_url,
        *_overrides(settings).values(),
        settings.s3_region,
        settings.s3_checksums,
        settings.s3_addressing_style,
    )
    client = _shared.get(key)
    if client is None or is_stale(client):
        client = _shared[key] = make_client(settings)
    return client


_loader = cache(create_loader)
"""Reads botocore's models of services out of folders, and keeps what it has read."""


def _session() -> boto3.session.Session:
    """Return a session with a chain of its own and the models of all: reading these takes most of a client's making."""
    core = botocore.session.get_session()
    loader = _loader(core.get_config_variable("data_path"))
    core.register_component("data_loader", loader)
    session = boto3.session.Session(botocore_session=core)
    loader.search_paths[:] = dict.fromkeys(loader.search_paths)  # boto3 adds its own folder each time
    return session


def _overrides(settings: Settings) -> dict[str, Any]:
    """Return endpoint and credentials; what is not set, or empty, is left to boto3's own chain."""
    secret, token = settings.s3_secret_access_key, settings.s3_session_token
    return {
        "endpoint_url": settings.s3_endpoint_url or None,
        "aws_access_key_id": settings.s3_access_key_id or None,
        "aws_secret_access_key": (secret.get_secret_value() or None) if secret else None,
        "aws_session_token": (token.get_secret_value() or None) if token else None,
    }


def _source(session: Any, settings: Settings) -> str:
    """Say where credentials come from, as a person would look for them."""
    if settings.s3_access_key_id:
        return variable_of("s3_access_key_id")
    found = session.get_credentials()
    if found is None:
        return _SOURCES["env"]
    file = os.environ.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials")
    return _SOURCES.get(str(found.method), str(found.method)).format(profile=session.profile_name, file=file)


@contextmanager
def _configured(settings: Settings) -> Iterator[None]:
    """Say of what boto3 is configured with that it cannot be used.

    Raises
    ------
    AnnexRefusesError
        Naming the variable or the profile: a worker that was told wrongly spoils no target.
    UsageError
        If the endpoint is not a URL.
    """
    try:
        yield
    except ProfileNotFound as error:
        variable = "AWS_PROFILE" if os.environ.get("AWS_PROFILE") else "AWS_DEFAULT_PROFILE"
        name = os.environ.get(variable, "")
        known = ", ".join(_profiles()) or "none"
        raise AnnexRefusesError(
            f"{variable}={name!r} names no profile of AWS' config and credentials files. Correct it, or unset it. "
            f"Known: {known}.",
            profile=name,
        ) from error
    except BotoCoreError as error:
        said = str(error).strip().splitlines() or [type(error).__name__]
        raise AnnexRefusesError(
            f"The S3 client cannot be made: {said[0]} {said[-1] if len(said) > 1 else ''}".rstrip(". ")
            + ". Correct the variable (AWS_…), the profile or the program that says so."
        ) from error
    except ValueError as error:
        raise UsageError(
            f"{variable_of('s3_endpoint_url')}={settings.s3_endpoint_url!r} is not an address ({error}). Write it as "
            "http://host:port.",
            endpoint=settings.s3_endpoint_url,
        ) from error


def _profiles() -> list[str]:
    """Return the names of the profiles that are there, without asking for the one that is not."""
    bare = botocore.session.Session(session_vars={"profile": (None, None, None, None)})
    return sorted(bare.available_profiles)

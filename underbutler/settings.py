"""One frozen class of settings, read from the environment.

Names are ``UNDERBUTLER_<FIELD>``, and the ecosystem's own where one exists. What is not set comes from ``stack.env`` in
the home folder, which a running ``underbutler up`` writes there: so that a command in another terminal finds the stack.
"""

from __future__ import annotations

import getpass
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, AliasChoices, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from .addresses import broker_address, check_address
from .errors import UsageError
from .redaction import hide, redacted_text

__all__ = ["STACK_FILE", "Settings", "default_home", "load_settings", "settings_or_exit", "usual_home", "variable_of"]

STACK_FILE = "stack.env"
"""File in the home folder in which a running embedded stack says where it listens."""


def default_home() -> Path:
    """Return the folder that holds records, index and stack file: ``UNDERBUTLER_HOME`` or the XDG data folder."""
    chosen = os.environ.get("UNDERBUTLER_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    return usual_home()


def usual_home() -> Path:
    """Return the folder that a command uses when it is told none."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "underbutler"


def _alias(name: str, *others: str) -> AliasChoices:
    return AliasChoices(f"UNDERBUTLER_{name}", *others)


def _s3_address(url: str) -> str:
    return check_address(url, ("http", "https"), "http://host:port") if url else url  # empty counts as unset


def _http_address(url: str) -> str:
    if not url:
        return url
    address = check_address(url, ("http", "https"), "https://host/path").rstrip("/")
    if "?" in address or "#" in address or "@" in address:
        raise ValueError("has more than scheme, host and path. Write https://host/path")
    return address


def _database_address(url: str) -> str:
    if not url.strip():
        raise ValueError(
            "is empty. Write sqlite:////absolute/path/records.db or postgresql+psycopg://user@host/database"
        )
    return url


def _lowered(value: object) -> object:
    return value.strip().lower() or None if isinstance(value, str) else value


def _json_object(text: str) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise ValueError('is not a JSON object. Write {"ssl": true}, or unset it')
    return text


BrokerUrl = Annotated[str, AfterValidator(broker_address)]
DatabaseUrl = Annotated[str, AfterValidator(_database_address)]
JsonObject = Annotated[str, AfterValidator(_json_object)]  # as text: settings are hashed
HttpUrl = Annotated[str, AfterValidator(_http_address)]
S3Url = Annotated[str, AfterValidator(_s3_address)]


class Settings(BaseSettings):
    """Everything that a process of Underbutler is told from outside."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    home: Path = Field(default_factory=default_home, validation_alias=_alias("HOME"))
    """Folder of records, repository index, schedule and running stack."""
    user: str = Field(default_factory=getpass.getuser, validation_alias=_alias("USER"))
    """Who submits: the owner of jobs, and the second part of their RUN collections."""

    broker_url: BrokerUrl = Field(
        "redis://127.0.0.1:6379/0", validation_alias=_alias("BROKER_URL", "CELERY_BROKER_URL")
    )
    """Where the broker is: ``redis``, ``rediss``, ``redis+socket``, ``valkey``, ``sentinel``, ``amqp`` or ``amqps``."""
    broker_master_name: str = Field("mymaster", min_length=1, validation_alias=_alias("BROKER_MASTER_NAME"))
    """Name under which the sentinels of ``sentinel://`` know the Redis that is the broker."""
    broker_sentinel_username: str | None = Field(None, validation_alias=_alias("BROKER_SENTINEL_USERNAME"))
    """User that the sentinels themselves ask for; the user of the broker stands in its URL."""
    broker_sentinel_password: SecretStr | None = Field(None, validation_alias=_alias("BROKER_SENTINEL_PASSWORD"))
    """Password that the sentinels themselves ask for; the broker's own stands in its URL."""
    broker_sentinel_kwargs: JsonObject = Field("{}", validation_alias=_alias("BROKER_SENTINEL_KWARGS"))
    """More arguments of redis-py for connections to sentinels, a JSON object: ``{"ssl": true}``."""
    broker_management_url: HttpUrl | None = Field(None, validation_alias=_alias("BROKER_MANAGEMENT_URL"))
    """Where RabbitMQ's management plugin answers, which alone tells of all queues; default port 15672 of its host."""
    broker_prefix: str = Field("underbutler:", validation_alias=_alias("BROKER_PREFIX"))
    """What the names of all our keys in Redis begin with, so that one Redis may serve others too."""
    queue: str = Field("reduce", validation_alias=_alias("QUEUE"))
    """Queue that a worker takes from, and that a submission goes to which names none."""
    visibility_timeout_s: int = Field(120, ge=5, validation_alias=_alias("VISIBILITY_TIMEOUT_S"))
    """Redis delivers again what no worker has acknowledged for so long, in seconds."""
    hard_limit_s: int = Field(3600, ge=1, validation_alias=_alias("HARD_LIMIT_S"))
    """Longest time that this queue lets a target run, in seconds; a task's own limit may be shorter."""
    redis_transport: Literal["atomic", "stock"] = Field("atomic", validation_alias=_alias("REDIS_TRANSPORT"))
    """How workers take messages from Redis: popped and booked in one step, or by kombu's own transport."""

    lease_s: float = Field(60.0, ge=1, validation_alias=_alias("LEASE_S"))
    """A claim that its worker's keeper has not renewed for so long is over, in seconds."""
    sweep_interval_s: float = Field(5.0, gt=0, validation_alias=_alias("SWEEP_INTERVAL_S"))
    """Time between two rounds of housekeeping, in seconds."""
    outbox_grace_s: float = Field(30.0, ge=0, validation_alias=_alias("OUTBOX_GRACE_S"))
    """The sweeper leaves what was never sent to its submitter for so long, in seconds."""
    max_deaths: int = Field(3, ge=1, validation_alias=_alias("MAX_DEATHS"))
    """A target is held when its child has died so often."""
    max_worker_deaths: int = Field(10, ge=1, validation_alias=_alias("MAX_WORKER_DEATHS"))
    """A target is held when whole workers have died under it so often."""
    max_transient_retries: int = Field(8, ge=0, validation_alias=_alias("MAX_TRANSIENT_RETRIES"))
    """A target fails when a service was away more often than this."""
    retry_base_s: float = Field(5.0, gt=0, validation_alias=_alias("RETRY_BASE_S"))
    """Longest wait before the first retry of a target that met a service that was away, in seconds."""
    retry_cap_s: float = Field(600.0, gt=0, validation_alias=_alias("RETRY_CAP_S"))
    """The wait before a retry doubles from `retry_base_s` up to this, with jitter, in seconds."""
    unknown_wait_s: float = Field(600.0, ge=0, validation_alias=_alias("UNKNOWN_WAIT_S"))
    """A target whose task, version or universe no worker knows is held after so long, in seconds."""
    soft_shutdown_s: float = Field(30.0, ge=0, validation_alias=_alias("SOFT_SHUTDOWN_S"))
    """A worker that is asked to stop gives its running targets back after so long, in seconds."""

    scratch: Path | None = Field(None, validation_alias=_alias("SCRATCH"))
    """Folder whose free space a worker looks at before it claims; default the system's temporary folder."""
    scratch_min_bytes: int = Field(256 * 2**20, ge=0, validation_alias=_alias("SCRATCH_MIN_BYTES"))
    """A worker claims nothing while less than this is free there, in bytes."""
    rss_limit_bytes: int | None = Field(None, ge=1, validation_alias=_alias("RSS_LIMIT_BYTES"))
    """A child whose resident memory is larger takes no target, in bytes; default no limit."""
    breaker_failures: int = Field(5, ge=1, validation_alias=_alias("BREAKER_FAILURES"))
    """The circuit breaker of a repository opens after so many failures in a row to open it."""
    breaker_open_s: float = Field(30.0, gt=0, validation_alias=_alias("BREAKER_OPEN_S"))
    """How long the circuit breaker stays open the first time, in seconds."""
    breaker_cap_s: float = Field(1800.0, gt=0, validation_alias=_alias("BREAKER_CAP_S"))
    """The while doubles from `breaker_open_s` up to this, in seconds."""

    alive_file: Path | None = Field(None, validation_alias=_alias("ALIVE_FILE"))
    """File that a worker touches while it takes messages, and beat while it ticks: for health checks; default none."""

    token_key: SecretStr | None = Field(None, validation_alias=_alias("TOKEN_KEY"))
    """Fernet keys, comma-separated, newest first, under which access tokens are kept; default a file in `home`."""
    job_lifetime_s: float | None = Field(None, gt=0, validation_alias=_alias("JOB_LIFETIME_S"))
    """A job's rows and logs are destroyed so long after its submission, in seconds; default never."""

    database_url: DatabaseUrl | None = Field(None, validation_alias=_alias("DATABASE_URL"))
    """SQLAlchemy URL of the records; default a SQLite file in `home`."""
    database_wait_s: float = Field(20.0, gt=0, validation_alias=_alias("DATABASE_WAIT_S"))
    """How long a statement waits for a lock, and a connection for the server, in seconds; on SQLite 20 s at least."""

    repository_index: str | None = Field(
        None, validation_alias=_alias("REPOSITORY_INDEX", "DAF_BUTLER_REPOSITORY_INDEX")
    )
    """URI of the Butler repository index; default ``repositories.yaml`` in `home`."""
    max_pixels: int = Field(2**28, ge=1, validation_alias=_alias("MAX_PIXELS"))
    """A raw file whose headers promise a larger image, or that inflates to more, is refused, in pixels."""
    calibration_cache_bytes: int = Field(512 * 2**20, ge=0, validation_alias=_alias("CALIBRATION_CACHE_BYTES"))
    """Calibration frames that one worker process keeps in memory, in bytes."""

    s3_endpoint_url: S3Url | None = Field(None, validation_alias=_alias("S3_ENDPOINT_URL", "S3_ENDPOINT_URL"))
    """Where the S3 server is, ``http://host:port``; default as boto3 finds it (``AWS_ENDPOINT_URL``), else AWS."""
    s3_instance: str = Field("local", validation_alias=_alias("S3_INSTANCE"))
    """Site name of the annex; the third part of its bucket names (the seed's ``s3instance``)."""
    s3_category: str = Field("LFA", validation_alias=_alias("S3_CATEGORY"))
    """Second part of the names of buckets (the seed's ``s3category``)."""
    s3_region: str | None = Field(None, validation_alias=_alias("S3_REGION", "AWS_REGION"))
    """Region that requests are signed for; default as boto3 finds it (``AWS_DEFAULT_REGION``, the profile's)."""
    s3_access_key_id: str | None = Field(None, validation_alias=_alias("S3_ACCESS_KEY_ID"))
    """Access key of the annex; default as boto3 finds it (``AWS_…``, profile, single sign-on, role)."""
    s3_secret_access_key: SecretStr | None = Field(None, validation_alias=_alias("S3_SECRET_ACCESS_KEY"))
    """Secret of that key."""
    s3_session_token: SecretStr | None = Field(None, validation_alias=_alias("S3_SESSION_TOKEN"))
    """Session token of that key, where it is a temporary one."""
    s3_checksums: Annotated[Literal["when_supported", "when_required"] | None, BeforeValidator(_lowered)] = Field(
        None, validation_alias=_alias("S3_CHECKSUMS", "AWS_REQUEST_CHECKSUM_CALCULATION")
    )
    """Whether requests carry S3's own checksums; old servers need ``when_required``; default as boto3 finds it."""
    s3_addressing_style: Annotated[Literal["auto", "path", "virtual"] | None, BeforeValidator(_lowered)] = Field(
        None, validation_alias=_alias("S3_ADDRESSING_STYLE")
    )
    """Where a bucket stands: in the path or the host's name; default as boto3 finds it, else ``path`` but at AWS."""
    annex_layout: Literal["cap452", "salobj"] = Field("cap452", validation_alias=_alias("ANNEX_LAYOUT"))
    """Form of bucket names and keys: the Large File Annex's (CAP-452), or that of today's ts_salobj."""
    annex_threshold_bytes: int = Field(2**20, ge=0, validation_alias=_alias("ANNEX_THRESHOLD_BYTES"))
    """A type without ``large=`` goes to the annex if the first dataset of it in a job has this size, in bytes."""
    annex_timeout_s: float = Field(20.0, gt=0, validation_alias=_alias("ANNEX_TIMEOUT_S"))
    """Longest silence of the annex within one request of a worker, in seconds."""
    annex_part_bytes: int = Field(8 * 2**20, ge=5 * 2**20, validation_alias=_alias("ANNEX_PART_BYTES"))
    """Size of the parts of an upload, in bytes."""

    schedules: Path | None = Field(None, validation_alias=_alias("SCHEDULES"))
    """TOML file of what beat submits by itself; default ``schedules.toml`` in `home`."""
    schedule_tick_s: float = Field(1.0, gt=0, le=60, validation_alias=_alias("SCHEDULE_TICK_S"))
    """So often does beat look what is due, in seconds."""

    notice_exchange: str = Field("largeFileObjectAvailable", validation_alias=_alias("NOTICE_EXCHANGE"))
    """Name of the topic exchange of notices."""
    log_format: Literal["text", "json"] = Field("text", validation_alias=_alias("LOG_FORMAT"))
    """Logs on stderr as lines for people, or as one JSON object per line."""
    log_levels: str = Field("", validation_alias=_alias("LOG_LEVELS"))
    """Levels of some loggers of workers and beat: ``lsst.daf.butler=WARNING,botocore=ERROR``."""

    api_url: HttpUrl | None = Field(None, validation_alias=_alias("API_URL"))
    """Where a submission API is that commands and clients ask; default that of a running ``underbutler up``."""
    api_token: SecretStr | None = Field(None, validation_alias=_alias("API_TOKEN"))
    """The token that they show."""
    public_url: HttpUrl | None = Field(None, validation_alias=_alias("PUBLIC_URL"))
    """How clients reach the submission API, ``https://site/underbutler``: what its answers link to; default where it
    listens."""
    api_proxies: str = Field("", validation_alias=_alias("API_PROXIES"))
    """Networks of proxies whose ``X-Auth-Request-User`` is believed, with commas: ``10.1.0.0/16``; default none."""
    api_proxy_scopes: str = Field("submit,read", validation_alias=_alias("API_PROXY_SCOPES"))
    """Scopes of whoever comes by such a proxy."""
    api_self_approval: bool = Field(False, validation_alias=_alias("API_SELF_APPROVAL"))
    """Whether people may approve jobs of their own."""
    api_max_body_bytes: int = Field(16 * 2**20, ge=1024, validation_alias=_alias("API_MAX_BODY_BYTES"))
    """A longer request is refused, in bytes."""
    api_max_targets: int = Field(200_000, ge=1, validation_alias=_alias("API_MAX_TARGETS"))
    """A job of more targets is refused."""
    api_max_open_jobs: int = Field(1000, ge=1, validation_alias=_alias("API_MAX_OPEN_JOBS"))
    """Jobs of one user that have not ended; a further one is refused."""
    api_requests_per_s: float = Field(100.0, gt=0, validation_alias=_alias("API_REQUESTS_PER_S"))
    """Requests of one user in a second, over ten seconds; more are told to come later."""

    metrics_port: int | None = Field(None, ge=0, le=65535, validation_alias=_alias("METRICS_PORT"))
    """Where a worker, or beat, serves its metrics to Prometheus; default, and 0: nowhere, and nothing is counted."""
    metrics_host: str = Field("127.0.0.1", validation_alias=_alias("METRICS_HOST"))
    """Address on which the metrics are served."""

    @property
    def records_url(self) -> str:
        """SQLAlchemy URL of the records."""
        return self.database_url or f"sqlite:///{self.home / 'records.db'}"

    @property
    def index_uri(self) -> str:
        """URI of the Butler repository index."""
        return self.repository_index or str(self.home / "repositories.yaml")

    @property
    def schedules_file(self) -> Path:
        """TOML file of what beat submits by itself."""
        return (self.schedules or self.home / "schedules.toml").expanduser().absolute()

    @property
    def scratch_folder(self) -> Path:
        """Folder in which a worker's targets keep what is for a while."""
        return self.scratch or Path(tempfile.gettempdir())

    @property
    def recovery_file(self) -> Path:
        """Where a running embedded stack says how many objects its annex still lacks."""
        return self.home / "stack" / "annex.json"

    @property
    def stack_file(self) -> Path:
        """Where a running embedded stack says how it is reached."""
        return self.home / STACK_FILE


def load_settings(**overrides: object) -> Settings:
    """Read the settings: arguments first, then the environment, then a running stack's file, then defaults.

    What they hold that is secret is hidden from this process's logs.

    Raises
    ------
    UsageError
        If a value does not fit, naming the variable that was set.
    """
    home = Path(str(overrides.get("home") or default_home()))
    others: dict[str, Any] = {key: value for key, value in overrides.items() if key != "home"}
    try:
        settings = Settings(_env_file=home / STACK_FILE, home=home, **others)
    except ValidationError as error:
        raise UsageError(redacted_text(_what_does_not_fit(error, others))) from None
    hide(*_secrets(settings), always=True)
    return settings


def settings_or_exit() -> Settings:
    """Read the settings of a program that Celery starts: what does not fit is a sentence and exit status 2."""
    try:
        return load_settings()
    except UsageError as error:
        sys.stderr.write(f"Error: {error}\n")
        raise SystemExit(2) from None


_CREDENTIALS = re.compile(r"://[^;]*@")


def _what_does_not_fit(error: ValidationError, arguments: Mapping[str, Any]) -> str:
    """Say of each setting which variable the user set, what is wrong with it, and what would do."""
    sentences = []
    for fault in error.errors(include_url=False):
        name = str(fault["loc"][0])
        field = next((field for field in Settings.model_fields if name in {field, *_choices(field)}), name)
        shown = "" if fault["input"] in {None, ""} else f"={_CREDENTIALS.sub('://***@', str(fault['input']))!r}"
        if fault["type"] == "value_error":
            sentences.append(f"{variable_of(field, arguments)}{shown} {fault['ctx']['error']}.")
        else:
            said = fault["msg"][:1].lower() + fault["msg"][1:]
            sentences.append(f"{variable_of(field, arguments)}{shown} does not fit: {said}. Correct it, or unset it.")
    return " ".join(dict.fromkeys(sentences))


def _choices(field: str) -> list[str]:
    alias = Settings.model_fields[field].validation_alias
    return [str(choice) for choice in alias.choices] if isinstance(alias, AliasChoices) else []


def variable_of(field: str, arguments: Mapping[str, Any] | None = None) -> str:
    """Return the name by which a setting was given: an argument's, else the first variable that is set, else ours."""
    if arguments and field in arguments:
        return field
    choices = _choices(field) or [field]
    there = {name.upper() for name in os.environ}
    return next((choice for choice in choices if choice.upper() in there), choices[0])


def _secrets(settings: Settings) -> list[str]:
    """Return what no log may show: keys, and the passwords in URLs, as written there and as meant.

    One that is the same as its user's name (``postgres:postgres``) is not a secret, and stands in too many texts.
    """
    pairs = [
        (settings.s3_access_key_id, _shown(settings.s3_secret_access_key)),
        (os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY", "")),
        (None, _shown(settings.s3_session_token)),
        (None, os.environ.get("AWS_SESSION_TOKEN", "")),
        (settings.broker_sentinel_username, _shown(settings.broker_sentinel_password)),
    ]
    for url in (*settings.broker_url.split(";"), settings.database_url or "", settings.s3_endpoint_url or ""):
        credentials, at, _ = url.partition("://")[2].rpartition("@")
        user, _, password = credentials.partition(":")
        pairs += [(user, password), (unquote(user), unquote(password))] if at else []
    keys = _shown(settings.token_key)
    return [secret for user, secret in pairs if secret != user] + [key.strip() for key in keys.split(",")]


def _shown(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""

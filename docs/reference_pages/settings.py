"""The page of settings, made from the class that reads them."""

from __future__ import annotations

import ast
import inspect
import textwrap
import types
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import AliasChoices, SecretStr
from pydantic.fields import FieldInfo

from underbutler.settings import Settings

__all__ = ["GROUPS", "descriptions", "settings_page", "variables"]

_INTRODUCTION = """\
# Settings

Every process of Underbutler reads its settings from environment variables. An argument of a command wins over a
variable, a variable over what a running `underbutler up` says in the home folder, and that over the default.

Bytes are plain numbers, times are in seconds. A variable with a value that does not fit ends the process with a message
that names it.

<!-- Written by `make reference` from underbutler/settings.py: change it there. -->
"""

GROUPS = {
    "Who and where": ("home", "user"),
    "Broker and queues": (
        "broker_url",
        "broker_master_name",
        "broker_sentinel_username",
        "broker_sentinel_password",
        "broker_sentinel_kwargs",
        "broker_management_url",
        "broker_prefix",
        "queue",
        "redis_transport",
        "visibility_timeout_s",
        "notice_exchange",
    ),
    "Records and repositories": ("database_url", "database_wait_s", "repository_index", "job_lifetime_s"),
    "Annex": (
        "s3_endpoint_url",
        "s3_access_key_id",
        "s3_secret_access_key",
        "s3_session_token",
        "s3_region",
        "s3_instance",
        "s3_category",
        "s3_checksums",
        "s3_addressing_style",
        "annex_layout",
        "annex_threshold_bytes",
        "annex_part_bytes",
        "annex_timeout_s",
    ),
    "A target": (
        "hard_limit_s",
        "max_deaths",
        "max_worker_deaths",
        "max_transient_retries",
        "retry_base_s",
        "retry_cap_s",
        "unknown_wait_s",
    ),
    "A worker": (
        "lease_s",
        "soft_shutdown_s",
        "scratch",
        "scratch_min_bytes",
        "rss_limit_bytes",
        "calibration_cache_bytes",
        "max_pixels",
        "breaker_failures",
        "breaker_open_s",
        "breaker_cap_s",
        "alive_file",
    ),
    "Beat": ("sweep_interval_s", "outbox_grace_s", "schedules", "schedule_tick_s"),
    "HTTP": (
        "api_url",
        "api_token",
        "public_url",
        "api_proxies",
        "api_proxy_scopes",
        "api_self_approval",
        "api_max_body_bytes",
        "api_max_targets",
        "api_max_open_jobs",
        "api_requests_per_s",
    ),
    "Logs, metrics, secrets": ("log_format", "log_levels", "metrics_port", "metrics_host", "token_key"),
}
"""The settings by what they are of, in the order of the page."""

_PLAIN = {
    str: "text",
    int: "whole number",
    float: "number",
    Path: "path",
    bool: "true or false",
    SecretStr: "text, secret",
}
_DERIVED = {"home": "`$XDG_DATA_HOME/underbutler`, else `~/.local/share/underbutler`", "user": "who runs the process"}


def settings_page() -> str:
    """Return the page in MyST Markdown."""
    fields, said = Settings.model_fields, descriptions()
    sections = [
        f"\n## {title}\n" + "".join(_section(name, fields[name], said[name]) for name in names)
        for title, names in GROUPS.items()
    ]
    return _INTRODUCTION + "".join(sections)


def descriptions() -> dict[str, str]:
    """Return what the source says below each setting.

    pydantic could collect it (``use_attribute_docstrings``), at the price of parsing the module in every process.
    """
    (settings,) = ast.parse(textwrap.dedent(inspect.getsource(Settings))).body
    assert isinstance(settings, ast.ClassDef)
    pairs = zip(settings.body, settings.body[1:], strict=False)
    return {
        setting.target.id: said.value.value
        for setting, said in pairs
        if isinstance(setting, ast.AnnAssign)
        and isinstance(setting.target, ast.Name)
        and isinstance(said, ast.Expr)
        and isinstance(said.value, ast.Constant)
        and isinstance(said.value.value, str)
    }


def variables(field: FieldInfo) -> list[str]:
    """Return the environment variables that a setting is read from, ours first, each once."""
    aliases = field.validation_alias
    assert isinstance(aliases, AliasChoices)
    return list(dict.fromkeys(str(choice) for choice in aliases.choices))


def _section(name: str, field: FieldInfo, description: str) -> str:
    first, *others = variables(field)
    facts = [f"{_kind(field.annotation)}{_bounds(field)}", f"default: {_default(name, field)}"]
    if others:
        facts.append("also read from " + ", ".join(f"`{other}`" for other in others))
    description = _names_of_settings(description.replace("``", "`"))
    return f"\n### `{first}`\n\n{' '.join(description.split())}\n\n{' · '.join(facts)}\n"


def _names_of_settings(text: str) -> str:
    """Name other settings as a person sets them: the variable, linked."""
    for name, field in Settings.model_fields.items():
        variable = variables(field)[0]
        text = text.replace(f"`{name}`", f"[`{variable}`](#{variable.lower()})")
    return text


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(f"`{choice}`" for choice in get_args(annotation))
    if get_origin(annotation) in {Union, types.UnionType}:
        return _kind(next(kind for kind in get_args(annotation) if kind is not type(None)))
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    return _PLAIN[annotation]


def _bounds(field: FieldInfo) -> str:
    words = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}
    found = [(words[key], getattr(one, key)) for one in field.metadata for key in words if hasattr(one, key)]
    return "".join(f", {word} {limit}" for word, limit in found)


def _default(name: str, field: FieldInfo) -> str:
    if name in _DERIVED:
        return _DERIVED[name]
    if field.default in {None, ""}:
        return "not set"
    return f"`{field.default}`{_in_units(name, field.default)}"


def _in_units(name: str, value: Any) -> str:
    """Say bytes and long times once more, as a person would."""
    if name.endswith("_bytes"):
        return f" ({value / 2**20:g} MiB)"
    return f" ({value / 60:g} min)" if name.endswith("_s") and value >= 120 else ""

"""The malformed messages of the notes, as they lie in a Redis list, each unlike every other of its form."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

__all__ = ["FORMS", "poison"]


def _encoded(value: object) -> str:
    return base64.b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


def _envelope(queue: str, task: str, mark: str, **changes: Any) -> dict[str, Any]:
    """Return the envelope of a message of this Celery task, with changes."""
    envelope = {
        "body": _encoded([[mark], {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": {"lang": "py", "task": task, "id": str(uuid.uuid4()), "argsrepr": "()", "kwargsrepr": "{}"},
        "properties": {
            "correlation_id": mark,
            "delivery_mode": 2,
            "delivery_info": {"exchange": queue, "routing_key": queue},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
        },
    }
    return envelope | changes


def poison(form: str, queue: str, task: str) -> str:
    """Return one message of a form.

    Parameters
    ----------
    form
        One of `FORMS`.
    queue
        Where it is going to lie.
    task
        A task that the worker knows.
    """
    mark = uuid.uuid4().hex
    good = _envelope(queue, task, mark)
    form_of: dict[str, Callable[[], object]] = {
        "unregistered task": lambda: good | {"headers": good["headers"] | {"task": f"nobody.knows.{mark}"}},
        "body of broken JSON": lambda: good | {"body": _encoded(b"[[1, " + mark.encode())},
        "content type of pickle": lambda: good | {"content-type": "application/x-python-serialize"},
        "unknown content type": lambda: good | {"content-type": "application/x-nobody-knows"},
        "no headers": lambda: good | {"headers": {}},
        "JSON of another program": lambda: good | {"headers": {}, "body": _encoded({"event": mark})},
        "wrong arguments": lambda: good | {"body": _encoded([[mark, 2, 3, 4], {"x": 1}, {}])},
        "body that is not a triple": lambda: good | {"body": _encoded({"mark": mark})},
        "body that is not base64": lambda: good | {"body": f"&{mark}="},
        "envelope that is a list": lambda: [mark, 2],
        "envelope without properties": lambda: {key: value for key, value in good.items() if key != "properties"},
    }
    return f"{{not JSON {mark}" if form == "envelope that is not JSON" else json.dumps(form_of[form]())


FORMS = (
    "unregistered task",
    "body of broken JSON",
    "content type of pickle",
    "unknown content type",
    "no headers",
    "JSON of another program",
    "wrong arguments",
    "body that is not a triple",
    "body that is not base64",
    "envelope that is not JSON",
    "envelope that is a list",
    "envelope without properties",
)
"""The eleven rows of the notes; broken envelopes are two of theirs, and both kinds are here."""

"""Messages that say they are compressed stay as they came: a few kilobytes may become gigabytes when opened."""

from __future__ import annotations

from typing import Any, Final

from kombu import Message

__all__ = ["COMPRESSION", "leave_compressed"]

COMPRESSION: Final = "compression"
"""Header by which kombu knows that it is to inflate a body."""


def leave_compressed(channel: Any) -> None:
    """Have a channel of kombu hand out compressed bodies as they came.

    A consumer runs in programs of others, so kombu's own table of decoders, which all of the process share, stays.

    Parameters
    ----------
    channel
        A channel of any transport.
    """
    # After the transport's class and before kombu's own in the order of resolution, where the body would be inflated.
    channel.Message = type("UninflatedMessage", (channel.Message, _Uninflated), {})


class _Uninflated(Message):
    def __init__(self, **fields: Any) -> None:
        headers: dict[str, Any] = fields.pop("headers", None) or {}
        super().__init__(**fields, headers={name: headers[name] for name in headers if name != COMPRESSION})
        self.headers = headers

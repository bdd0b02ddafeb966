"""Compressed messages are not inflated: a few kilobytes may become gigabytes before anybody asks for their size."""

from __future__ import annotations

from typing import Any, NoReturn

from kombu import compression

__all__ = ["refuse_compressed"]


def refuse_compressed() -> None:
    """Have this process refuse every body that says it is compressed; its own messages never are."""
    for content_type in compression.encoders():
        encoder: Any = compression.get_encoder(content_type)  # a pair, whatever its stub says
        compression.register(encoder[0], _refuse, content_type)


def _refuse(_body: Any) -> NoReturn:
    raise ValueError("the body is compressed, which no message of ours is")

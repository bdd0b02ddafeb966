"""What a science task refuses as a Celery task: it is submitted, not called."""

from __future__ import annotations

from typing import Any, NoReturn

from underbutler.errors import UsageError

__all__ = ["SubmittedOnly"]

WORKFLOW = {
    "link": "link",
    "link_error": "link_error",
    "countdown": "countdown",
    "eta": "eta",
    "expires": "expires",
    "chain": "chain",
    "chord": "chord",
    "priority": "priority",
}


class SubmittedOnly:
    """Mixin of a Celery task that refuses to be called, linked, chained, delayed or retried from outside.

    A message is sent for a row of the records only; the records also know when a target is retried.
    """

    name: str

    def apply_async(self, *args: Any, **options: Any) -> NoReturn:  # noqa: ARG002 - Celery's
        """Refuse to send a message of one's own.

        Raises
        ------
        UsageError
            Always, with the way that there is.
        """
        given = [words for key, words in WORKFLOW.items() if options.get(key) is not None]
        self._refuse(given[0] if given else "apply_async")

    def signature(self, *args: Any, **options: Any) -> NoReturn:  # noqa: ARG002 - Celery's
        """Refuse to become part of a chain, group or chord.

        Raises
        ------
        UsageError
            Always, with the way that there is.
        """
        self._refuse("a signature (chain, group, chord, link)")

    subtask = signature

    def retry(self, *args: Any, **options: Any) -> NoReturn:  # noqa: ARG002 - Celery's
        """Refuse Celery's own retry.

        Raises
        ------
        UsageError
            Always, with the way that there is.
        """
        raise UsageError(
            f"{self.name}: Celery's retry is not used here. Raise TransientError, and the target is tried again.",
            task=self.name,
        )

    def _refuse(self, what: str) -> NoReturn:
        raise UsageError(
            f"{self.name} cannot be sent with {what}: a target needs its row in the records, and what follows it is a "
            f"job of its own. Submit with `underbutler submit {self.name} …`.",
            task=self.name,
            what=what,
        )

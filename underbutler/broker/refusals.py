"""What a broker's client raises, in our words: away, refused, full, or a right that is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ssl import SSLError
from typing import Any
from urllib.parse import urlsplit

from amqp.exceptions import AccessRefused, ChannelError, MessageNacked, NotAllowed
from kombu.exceptions import OperationalError
from kombu.utils.url import maybe_sanitize_url
from redis import exceptions as redis_errors
from redis.sentinel import MasterNotFoundError

from underbutler.errors import BrokerRefusesError, BrokerUnavailableError, UnderbutlerError
from underbutler.settings import Settings, variable_of

from .connecting import connection, is_redis

__all__ = ["broker_error", "shown_address", "translate_broker_errors"]

RIGHTS_PAGE = "docs/howto/redis-rights.md"
"""Where the rights stand that a user of Redis needs."""


@dataclass(frozen=True, slots=True)
class _Meaning:
    """What an error means that is of one of these classes, or says one of these words."""

    kind: type[BrokerUnavailableError]
    text: str
    classes: tuple[type[BaseException], ...] = ()
    words: tuple[str, ...] = ()

    def fits(self, error: BaseException) -> bool:
        return isinstance(error, self.classes) or any(word in str(error) for word in self.words)


_MEANINGS = (
    _Meaning(
        BrokerRefusesError,
        "The broker at {where} refuses the user or the password in {variable} ({found}). Correct them there.",
        (redis_errors.AuthenticationError, AccessRefused),
        ("NOAUTH", "Authentication required"),
    ),
    _Meaning(
        BrokerRefusesError,
        "The broker at {where} lacks a right for the user in {variable} ({found}). Grant it; `ACL LOG` names it "
        f"there, and all that are needed stand in {RIGHTS_PAGE}.",
        (redis_errors.NoPermissionError,),
        ("NOPERM",),
    ),
    _Meaning(
        BrokerRefusesError,
        "The broker at {where} does not let the user into the virtual host of {variable} ({found}). Make the virtual "
        "host, or grant the user its rights there.",
        (NotAllowed,),
    ),
    _Meaning(
        BrokerRefusesError,
        "The broker at {where} and this client do not agree on TLS ({found}). Give {variable} the scheme that the "
        "server speaks, and its CA: rediss://host:6379/0?ssl_cert_reqs=required&ssl_ca_certs=/path/of/ca.pem.",
        (SSLError,),
    ),
    _Meaning(
        BrokerUnavailableError,
        "The broker at {where} is full ({found}). Give it more memory (maxmemory), or let workers empty it.",
        (redis_errors.OutOfMemoryError,),
        ("OOM command not allowed",),
    ),
    _Meaning(
        BrokerRefusesError,
        "The sentinels at {where} refuse the user or the password that they are told ({found}). Correct "
        "UNDERBUTLER_BROKER_SENTINEL_PASSWORD; the broker's own stands in {variable}.",
        words=("- auth:AuthenticationError", "- response:Authentication"),
    ),
    _Meaning(
        BrokerUnavailableError,
        "No sentinel at {where} knows a master ({found}). Look at UNDERBUTLER_BROKER_MASTER_NAME={master!r}, at "
        "UNDERBUTLER_BROKER_SENTINEL_PASSWORD, and at the sentinels.",
        (MasterNotFoundError,),
    ),
    _Meaning(
        BrokerUnavailableError,
        "The broker at {where} did not confirm a message. Look at its free memory and disk.",
        (MessageNacked,),
    ),
    _Meaning(
        BrokerUnavailableError,
        "The broker at {where} refuses ({found}). Look at what {variable} names, and at the server's log.",
        (redis_errors.ResponseError, ChannelError),
    ),
)
"""In this order, so that a class comes before those that it is one of."""


@contextmanager
def translate_broker_errors(settings: Settings) -> Iterator[None]:
    """Translate what the broker's client raises inside the block.

    Raises
    ------
    BrokerRefusesError
        If the broker refuses user, password, certificate or lacks a right, naming the variable and the cure.
    BrokerUnavailableError
        If the broker is away or full, naming its address (without its password) and the cure.
    """
    probe = connection(settings)
    try:
        yield
    except (UnderbutlerError, KeyError):  # kombu counts a KeyError among Redis' connection errors
        raise
    except Exception as error:
        known: tuple[Any, ...] = (MessageNacked, OperationalError, *probe.channel_errors, *probe.connection_errors)
        if not isinstance(error, known):
            raise
        raise broker_error(error, settings) from error


def broker_error(error: BaseException, settings: Settings) -> BrokerUnavailableError:
    """Return what an error of the broker's client means.

    Parameters
    ----------
    error
        What the client raised; what it was raised from is looked at too.
    settings
        Which broker.
    """
    causes = list(_chain(error))
    where = shown_address(settings)
    for meaning in _MEANINGS:
        found = next(filter(meaning.fits, causes), None)
        if found is not None:
            text = meaning.text.format(
                where=where,
                found=str(found).partition(" : <")[0],  # redis-py goes on with the whole of each client
                variable=variable_of("broker_url"),
                master=settings.broker_master_name,
            )
            return meaning.kind(text, url=where)
    said = str(error).strip() or type(error).__name__
    return BrokerUnavailableError(f"The broker at {where} does not answer ({said}). {_start(settings)}", url=where)


def shown_address(settings: Settings) -> str:
    """Return where the broker is, without passwords."""
    return ";".join(maybe_sanitize_url(part) for part in settings.broker_url.split(";"))


def _start(settings: Settings) -> str:
    """Say how the broker in use is started."""
    if settings.broker_url == Settings.model_fields["broker_url"].default:
        return "Start one with `underbutler up`, or set UNDERBUTLER_BROKER_URL."
    product = "Redis" if is_redis(settings) else "RabbitMQ"
    parsed = urlsplit(settings.broker_url.partition(";")[0])
    place = f"at {parsed.hostname}" + (f":{parsed.port}" if parsed.port else "") if parsed.hostname else "there"
    return f"Start your {product} {place}, or correct {variable_of('broker_url')}."


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__

"""Private names of upstreams that we use, each with its reason: a release may rename what is not promised.

A test for each fails when its owner has it no more, and another when the code uses one that is not listed. What is
missing in the public interface stands in the reason: where a release brings it, use that. May import nothing of ours.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PRIVATE_NAMES", "PrivateName"]


@dataclass(frozen=True, slots=True)
class PrivateName:
    """A name of somebody else's that begins with an underscore.

    Parameters
    ----------
    owner
        Module and class that have it, ``kombu.transport.redis:Channel``, or the module alone.
    name
        An attribute of theirs, or one that the ``__init__`` of the class sets.
    reason
        What we use it for.
    """

    owner: str
    name: str
    reason: str


_REDIS_CHANNEL = "kombu.transport.redis:Channel"
_POLLER = "kombu.transport.redis:MultiChannelPoller"
_QOS = "kombu.transport.redis:QoS"
_TRANSPORT = "kombu.transport.virtual:Transport"

PRIVATE_NAMES = (
    # workers.transport: kombu's Redis transport, whose way to take a message is replaced by one atomic script.
    PrivateName(_REDIS_CHANNEL, "_basic_cancel", "what was taken for a consumer that leaves is given back"),
    PrivateName(_REDIS_CHANNEL, "_closing", "a channel that closes gives back, and hands nothing on"),
    PrivateName(_REDIS_CHANNEL, "_connparams", "redis-py's own retries would block the event loop"),
    PrivateName(_REDIS_CHANNEL, "_create_client", "one client for each pool"),
    PrivateName(_REDIS_CHANNEL, "_disconnect_pools", "our clients end with the pools"),
    PrivateName(_REDIS_CHANNEL, "_lookup", "the queues that an exchange sends a message to when it is given back"),
    PrivateName(_REDIS_CHANNEL, "_on_connection_disconnect", "what was asked on a broken connection is forgotten"),
    PrivateName(_REDIS_CHANNEL, "_queue_cycle", "queues take turns"),
    PrivateName(_REDIS_CHANNEL, "_size", "how many messages wait: a passive declare fails on an empty list of Redis"),
    PrivateName(_REDIS_CHANNEL, "_tag_to_queue", "the queue of a consumer that leaves"),
    PrivateName(_POLLER, "_channels", "each is asked before the loop sleeps"),
    PrivateName(_POLLER, "_client_registered", "whether the loop listens to a connection"),
    PrivateName(_POLLER, "_fd_to_chan", "which connections are new to the event loop"),
    PrivateName(_POLLER, "_register", "makes the loop listen to a connection"),
    PrivateName(_POLLER, "_register_LISTEN", "PUB/SUB stays kombu's"),
    PrivateName(_QOS, "_delivered", "what is out, in order"),
    PrivateName(_QOS, "_flush", "drops what was acknowledged meanwhile"),
    PrivateName(_QOS, "_quick_ack", "counts a message as acknowledged without booking it again"),
    PrivateName(_TRANSPORT, "_callbacks", "which queues have a consumer"),
    PrivateName(_TRANSPORT, "_deliver", "hands a message to its consumer"),
    PrivateName("kombu.transport.redis:SentinelChannel", "_sentinel_managed_pool", "addresses of another scheme"),
    PrivateName("kombu.transport.redis", "_socket_readable", "whether a silent connection is closed"),
    PrivateName("redis.connection:AbstractConnection", "_sock", "the file descriptor that the event loop watches"),
    # underbutler.butlers
    PrivateName("lsst.daf.butler.direct_butler:DirectButler", "_datastore", "rows of a removal that was cut short"),
    PrivateName("lsst.daf.butler.direct_butler:DirectButler", "_registry", "the way to its database"),
    PrivateName("lsst.daf.butler.registry.sql_registry:SqlRegistry", "_db", "whether a transaction is open"),
    # underbutler.pipe.config
    PrivateName("lsst.pex.config:Config", "_fields", "the fields of a config by name"),
    # underbutler.migrations
    PrivateName("alembic.script:ScriptDirectory", "_upgrade_revs", "runs migrations in our own transaction and lock"),
)

"""What happens to a message inside Redis: booked when it is taken, unbooked when it is done, given back when it is not.

Keys and values are stock kombu's (a hash ``unacked`` of ``[message, exchange, routing key]`` under the delivery tag, a
sorted set ``unacked_index`` of when), so that stock workers can give back what ours had booked and the other way round.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.exceptions import NoScriptError

from underbutler.telemetry.logs import get_logger

__all__ = ["POISON_HEADER", "POISON_TYPE", "TAKE", "Booked", "Bookings", "Script", "wrapped"]

log = get_logger(__name__)

POISON_TYPE = "application/x-underbutler-poison"
"""Content type of what wraps an item of a queue that is not a message; its body is the item, in hexadecimal."""
POISON_HEADER = "underbutler_poison"
"""Header of such a wrapper: what is wrong with the item."""


class Script:
    """A Lua script, by text and by digest."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


# By the server's clock: those of workers differ, and any of them may judge what is overdue.
_NOW = """
local t = redis.call('TIME')
local now = t[1] .. '.' .. string.format('%06d', t[2])
"""

TAKE = Script(
    _NOW
    + f"""
-- KEYS: unacked, unacked_index, queues
-- ARGV: wanted, number of tags that are done, these tags, as many fresh tags as wanted, names of the queues as JSON
local unacked, index = KEYS[1], KEYS[2]
local wanted, n_done, n_queues = tonumber(ARGV[1]), tonumber(ARGV[2]), #KEYS - 2
for i = 3, 2 + n_done do
  redis.call('ZREM', index, ARGV[i])
  redis.call('HDEL', unacked, ARGV[i])
end

local function hexadecimal(text)
  return (text:gsub('.', function(c) return string.format('%02x', string.byte(c)) end))
end

local function wrap(item, tag, name, problem)
  return '{{"body": "' .. hexadecimal(item) .. '", "content-encoding": "binary", "content-type": "{POISON_TYPE}", '
    .. '"headers": {{"{POISON_HEADER}": "' .. problem .. '"}}, "properties": {{"body_encoding": null, '
    .. '"delivery_tag": "' .. tag .. '", "delivery_info": {{"exchange": "", "routing_key": ' .. name .. '}}, '
    .. '"delivery_mode": 2, "priority": 0}}}}'
end

local function problem_of(item, message)
  if not item:match('^%s*{{') then return 'it is not a JSON object' end
  if type(message.properties) ~= 'table' then return 'it has no properties' end
  local tag = message.properties.delivery_tag
  if type(tag) ~= 'string' or tag == '' then return 'it has no delivery tag' end
  if type(message.properties.delivery_info) ~= 'table' then return 'it has no delivery_info' end
  if type(message.headers) ~= 'table' then return 'it has no headers' end
end

local function with_tag(item, old, new)
  local before, last = item:find('"delivery_tag"%s*:%s*"')
  while before do
    if item:sub(last + 1, last + #old + 1) == old .. '"' then
      return item:sub(1, last) .. new .. item:sub(last + #old + 1)
    end
    before, last = item:find('"delivery_tag"%s*:%s*"', last + 1)
  end
end

local taken, empty, at = {{}}, 0, 1
while #taken < wanted and empty < n_queues do
  local queue, name = KEYS[2 + at], ARGV[2 + n_done + wanted + at]
  local item = redis.call('LINDEX', queue, -1)
  if item then
    empty = 0
    local decoded, message = pcall(cjson.decode, item)
    local problem = decoded and problem_of(item, message) or (not decoded and 'it is not JSON') or nil
    local fresh, tag = ARGV[2 + n_done + #taken + 1], nil
    if not problem then
      tag = message.properties.delivery_tag
      if redis.call('HEXISTS', unacked, tag) == 1 then  -- the same bytes were pushed twice: two messages, two bookings
        item, tag = with_tag(item, tag, fresh) or wrap(item, fresh, name, 'its delivery tag is taken'), fresh
      end
    else
      item, tag = wrap(item, fresh, name, problem), fresh
    end
    -- Booked first, then popped: what Redis refuses for want of memory stays in its queue.
    redis.call('ZADD', index, now, tag)
    redis.call('HSET', unacked, tag, '[' .. item .. ', "", ' .. name .. ']')
    redis.call('RPOP', queue)
    taken[#taken + 1] = {{at, tag, now, item}}
  else
    empty = empty + 1
  end
  at = at % n_queues + 1
end
return taken
"""
)

OVERDUE = Script(
    _NOW
    + """
-- KEYS: unacked, unacked_index.  ARGV: visibility timeout, how many at most
local last = now - tonumber(ARGV[1])
local tags = redis.call('ZRANGE', KEYS[2], '-inf', last, 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
local found = {}
for i = 1, #tags, 2 do
  local booked = redis.call('HGET', KEYS[1], tags[i])
  if booked then
    found[#found + 1] = {tags[i], tags[i + 1], booked}
  else
    redis.call('ZREM', KEYS[2], tags[i])
  end
end
return found
"""
)

GIVE_BACK = Script(
    """
-- KEYS: unacked, unacked_index, queues.  ARGV: tag, when it was booked, message, RPUSH (first in line) or LPUSH (last)
-- The time tells one booking from a later one under the same tag: another worker may have the message again.
local booked = redis.call('ZSCORE', KEYS[2], ARGV[1])
if not booked or tonumber(booked) ~= tonumber(ARGV[2]) or redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0  -- it is done, or given back, or another worker's by now
end
for i = 3, #KEYS do redis.call(ARGV[4], KEYS[i], ARGV[3]) end
redis.call('ZREM', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
"""
)


@dataclass(frozen=True, slots=True)
class Booked:
    """A message that is out.

    Parameters
    ----------
    tag
        Its delivery tag, under which it is booked.
    booked_at
        When, by the server's clock, as the server wrote it.
    message
        The envelope, decoded.
    exchange, routing_key
        Where it belongs; an empty exchange means the queue of that name.
    """

    tag: str
    booked_at: str
    message: Any
    exchange: str
    routing_key: str


def wrapped(item: bytes, tag: str, queue: str, problem: str) -> dict[str, Any]:
    """Return the envelope that carries an item which is not a message; `TAKE` makes the same one."""
    return {
        "body": item.hex(),
        "content-encoding": "binary",
        "content-type": POISON_TYPE,
        "headers": {POISON_HEADER: problem},
        "properties": {
            "body_encoding": None,
            "delivery_tag": tag,
            "delivery_info": {"exchange": "", "routing_key": queue},
            "delivery_mode": 2,
            "priority": 0,
        },
    }


class Bookings:
    """The bookings of one Redis database under one key prefix.

    Parameters
    ----------
    unacked, index
        Names of stock kombu's hash and sorted set.
    prefix
        What all keys begin with (kombu's ``global_keyprefix``).
    """

    def __init__(self, unacked: str, index: str, prefix: str) -> None:
        self._keys = [prefix + unacked, prefix + index]
        self._prefix = prefix

    def take_arguments(self, queues: Sequence[str], wanted: int, done: Sequence[str]) -> list[Any]:
        """Return what follows a script's name: number of keys, keys, arguments."""
        keys = self._keys + [self._prefix + queue for queue in queues]
        # For items without a tag of their own: Lua inside Redis cannot make a UUID.
        fresh = [str(uuid.uuid4()) for _ in range(wanted)]
        return [len(keys), *keys, wanted, len(done), *done, *fresh, *map(json.dumps, queues)]

    def taken(self, reply: Any, queues: Sequence[str]) -> list[Booked]:
        """Read the answer of `TAKE`."""
        return [_taken(queues[at - 1], tag.decode(), when.decode(), text) for at, tag, when, text in reply]

    def take(self, client: Any, queues: Sequence[str], wanted: int, done: Sequence[str] = ()) -> list[Booked]:
        """Take messages, at most so many, in turn from the queues; what is done is unbooked before."""
        return self.taken(_call(client, TAKE, self.take_arguments(queues, wanted, done)), queues)

    def overdue(self, client: Any, timeout_s: float, limit: int) -> list[Booked]:
        """Return bookings that are older than the visibility timeout, the oldest first."""
        found = _call(client, OVERDUE, [2, *self._keys, timeout_s, limit])
        return [_overdue(tag.decode(), when.decode(), booked) for tag, when, booked in found]

    def give_back(self, client: Any, booked: Booked, queues: Sequence[str], *, last: bool = False) -> bool:
        """Put a message back into queues, first in line or last; False if it is not booked so any more."""
        keys = self._keys + [self._prefix + queue for queue in queues]
        text = json.dumps(_redelivered(booked.message))
        side = "LPUSH" if last else "RPUSH"
        return bool(_call(client, GIVE_BACK, [len(keys), *keys, booked.tag, booked.booked_at, text, side]))


def _redelivered(message: Any) -> Any:
    """Mark a message as stock kombu does."""
    for holder in (message.get("headers"), (message.get("properties") or {}).get("delivery_info")):
        if isinstance(holder, dict):
            holder["redelivered"] = True
    return message


def _taken(queue: str, tag: str, booked_at: str, item: bytes) -> Booked:
    try:
        message = json.loads(item.decode(errors="replace"))
    except ValueError as error:  # Lua took it for JSON, Python does not
        message = wrapped(item, tag, queue, f"it is not JSON: {error}")
    return Booked(tag, booked_at, message, "", queue)


def _overdue(tag: str, booked_at: str, booking: bytes) -> Booked:
    try:
        message, exchange, routing_key = json.loads(booking.decode(errors="replace"))
        return Booked(tag, booked_at, message, exchange or "", routing_key or "")
    except (ValueError, TypeError) as error:
        log.error("booking_does_not_decode", tag=tag, error=str(error))
        return Booked(tag, booked_at, wrapped(booking, tag, "", "its booking does not decode"), "", "")


def _call(client: Any, script: Script, arguments: list[Any]) -> Any:
    try:
        return client.execute_command("EVALSHA", script.sha, *arguments)
    except NoScriptError:
        # The server was restarted, or forgot its scripts; EVAL has it remember this one again.
        return client.execute_command("EVAL", script.text, *arguments)

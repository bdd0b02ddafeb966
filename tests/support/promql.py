"""What Prometheus' rules and Grafana's dashboards ask for: metrics and labels, read out of their expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
TOKEN = re.compile(
    r"""(?P<text>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|(?P<range>\[[^\]]*\])|(?P<word>[A-Za-z_:$][\w:$]*)"""
    r"""|(?P<number>\d[\w.]*)|(?P<sign>=~|!~|!=|==|>=|<=|[{}(),=<>+\-*/%^])|(?P<gap>\s+)"""
)
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
AGGREGATIONS = {"sum", "min", "max", "avg", "count", "group", "topk", "bottomk", "quantile", "stddev"}
OPERATORS = {"and", "or", "unless", "bool", "offset"}


@dataclass
class Asked:
    """What one expression asks for.

    Parameters
    ----------
    selectors
        Metrics, each with its matchers: label, operator and value.
    groupings
        Labels by which it groups or matches.
    """

    selectors: list[tuple[str, list[tuple[str, str, str]]]] = field(default_factory=list)
    groupings: set[str] = field(default_factory=set)


def asked(expression: str) -> Asked:
    """Read an expression; every character of it must be understood."""
    tokens: list[str] = []
    end = 0
    for found in TOKEN.finditer(expression):
        assert found.start() == end, f"not understood: {expression[end:]!r}"
        end = found.end()
        if found.lastgroup not in {"gap", "range"}:
            tokens.append(found.group())
    assert end == len(expression), f"not understood: {expression[end:]!r}"
    return _read([*tokens, ""])


def _read(tokens: list[str]) -> Asked:
    result, at = Asked(), 0
    while at < len(tokens) - 1:
        word, following = tokens[at], tokens[at + 1]
        at += 1
        if not re.match(r"[A-Za-z_:]", word) or word in OPERATORS | AGGREGATIONS:
            continue
        if word in GROUPING:
            close = tokens.index(")", at)
            result.groupings |= set(tokens[at + 1 : close]) - {","}
            at = close + 1
        elif following == "{":
            close = tokens.index("}", at)
            inside = [token for token in tokens[at + 1 : close] if token != ","]
            matchers = [(inside[i], inside[i + 1], inside[i + 2][1:-1]) for i in range(0, len(inside), 3)]
            result.selectors.append((word, matchers))
            at = close + 1
        elif following != "(":
            result.selectors.append((word, []))
    return result


def alerts() -> list[dict[str, Any]]:
    """Return the rules that are shipped."""
    document = yaml.safe_load((DEPLOY / "prometheus" / "alerts.yml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def dashboards() -> Iterator[dict[str, Any]]:
    """Yield the dashboards that are shipped."""
    for path in sorted((DEPLOY / "grafana" / "dashboards").glob("*.json")):
        yield json.loads(path.read_text())


def expressions() -> dict[str, str]:
    """Return every expression that is shipped, by where it stands."""
    found = {f"alert {rule['alert']}": rule["expr"] for rule in alerts()}
    for dashboard in dashboards():
        for panel in dashboard["panels"]:
            for target in panel.get("targets", ()):
                found[f"panel {panel['title']} {target['refId']}"] = target["expr"]
    return found

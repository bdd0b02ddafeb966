"""What is shipped for Prometheus and Grafana holds together; that its metrics exist is asked of real processes."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.support.promql import DEPLOY, alerts, asked, dashboards, expressions
from underbutler.metrics import PREFIX

RUNBOOK = "docs/howto/alerts.md"


def test_every_alert_says_what_it_means_and_where_to_read_on() -> None:
    text = (DEPLOY.parent / RUNBOOK).read_text()
    headings = set(re.findall(r"^## (\w+)$", text, re.MULTILINE))
    names = [rule["alert"] for rule in alerts()]
    assert len(set(names)) == len(names)
    assert set(names) == {heading for heading in headings if heading.startswith("Underbutler")}
    for rule in alerts():
        told = rule["annotations"]
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert told["runbook"] == f"{RUNBOOK}#{rule['alert'].lower()}"
        assert told["summary"].endswith("."), rule["alert"]
        assert told["description"].endswith("."), rule["alert"]
        grouped = asked(rule["expr"]).groupings | {"job", "instance"}
        assert set(re.findall(r"\$labels\.(\w+)", told["summary"])) <= grouped, rule["alert"]


def test_an_expression_is_read_to_its_last_character() -> None:
    read = asked('sum by (le, task) (rate(underbutler_x_bucket{end="done", task!~"a|b"}[5m])) > 2.5e3 or absent(up)')
    assert read.selectors == [("underbutler_x_bucket", [("end", "=", "done"), ("task", "!~", "a|b")]), ("up", [])]
    assert read.groupings == {"le", "task"}
    with pytest.raises(AssertionError, match="not understood"):
        asked("up ? 1")


def test_the_dashboard_asks_the_provisioned_source() -> None:
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]
    for dashboard in dashboards():
        panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
        assert {panel["datasource"]["uid"] for panel in panels} == {source["uid"]}
        places = {(x, y) for panel in dashboard["panels"] for x, y in cells(panel["gridPos"])}
        assert len(places) == sum(len(cells(panel["gridPos"])) for panel in dashboard["panels"]), "panels overlap"
        assert all(x < 24 for x, _ in places)
    names = {name for expression in expressions().values() for name, _ in asked(expression).selectors}
    assert {name for name in names if not name.startswith((PREFIX, "flower_"))} == {"up"}


def cells(place: dict[str, int]) -> list[tuple[int, int]]:
    """Return what a panel covers."""
    return [(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])]

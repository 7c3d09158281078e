"""Whether alerts and dashboard are sound, and speak of numbers that the daemon really has."""

import json
import os
import pathlib
import re
import sqlite3
import subprocess
import tempfile
import unittest

import yaml

from daemon import Cluster
from rendered import ALL

PROMTOOL = os.environ["LITEFS_PROMTOOL"]

# Names that do not come from the daemon: Prometheus' own, and the kubelet's of persistent volumes.
OTHERS = {"up", "kubelet_volume_stats_available_bytes", "kubelet_volume_stats_capacity_bytes"}
# Those of a node whose lease can move; the daemons of these tests have a static one.
LEASE = {"litefs_lease_valid_seconds", "litefs_lease_errors_total"}
WORDS = re.compile(r"\b(?:litefs|process|kubelet|go)_[a-z_]+\b|\bup\b")


def names_in(expression):
    """The metric names in an expression, without what is between quotes."""
    return set(WORDS.findall(re.sub(r'"[^"]*"', "", expression)))


def rules():
    for manifests in ALL:
        for rule in manifests.of("PrometheusRule"):
            yield manifests.name, rule["spec"]


def dashboards():
    for manifests in ALL:
        for config in manifests.of("ConfigMap"):
            if "litefs.json" in config["data"]:
                yield manifests.name, config["metadata"]["labels"], json.loads(config["data"]["litefs.json"])


def panel_expressions(dashboard):
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


def promtool(document, *command):
    with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
        yaml.safe_dump(document, file)
        file.flush()
        return subprocess.run([PROMTOOL, *command, file.name], capture_output=True, text=True)


class Monitoring(unittest.TestCase):
    def test_there(self):
        """kustomize and chart have the same rules and the same dashboard"""
        found = list(rules())
        self.assertGreaterEqual(len(found), 2)
        for name, spec in found:
            self.assertEqual(spec, found[0][1], name)
        found = list(dashboards())
        self.assertGreaterEqual(len(found), 2)
        for name, labels, dashboard in found:
            self.assertEqual(dashboard, found[0][2], name)
            self.assertEqual(labels["grafana_dashboard"], "1")

    def test_rules(self):
        """promtool takes the rules"""
        name, spec = next(rules())
        result = promtool(spec, "check", "rules")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_dashboard(self):
        """promtool takes every expression of the dashboard, and no panel covers another"""
        _, _, dashboard = next(dashboards())
        as_rules = [
            {"record": f"panel:{number}", "expr": expression}
            for number, (_, expression) in enumerate(panel_expressions(dashboard))
        ]
        result = promtool({"groups": [{"name": "panels", "rules": as_rules}]}, "check", "rules")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        covered = set()
        for panel in dashboard["panels"]:
            at = panel["gridPos"]
            cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
            self.assertFalse(cells & covered, panel["title"])
            self.assertLessEqual(max(x for x, _ in cells), 23)
            covered |= cells

    def test_alerts(self):
        """the alerts fire when they should, and are silent when all is well"""
        _, spec = next(rules())
        tests = yaml.safe_load((pathlib.Path(__file__).parent / "alerts.yml").read_text())
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            yaml.safe_dump(spec, file)
            file.flush()
            result = promtool({**tests, "rule_files": [file.name]}, "test", "rules")
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_alerts_are_tested(self):
        """each alert is seen firing in the test of the alerts"""
        _, spec = next(rules())
        tests = yaml.safe_load((pathlib.Path(__file__).parent / "alerts.yml").read_text())["tests"]
        fired = {t["alertname"] for test in tests for t in test["alert_rule_test"] if t.get("exp_alerts")}
        self.assertEqual(fired, {rule["alert"] for group in spec["groups"] for rule in group["rules"]})

    def test_names(self):
        """every number of alerts and dashboard is in /metrics of a real primary or replica, but for those of a lease that moves"""
        wanted = set()
        for _, spec in rules():
            wanted |= set().union(*(names_in(rule["expr"]) for group in spec["groups"] for rule in group["rules"]))
        for _, _, dashboard in dashboards():
            wanted |= set().union(*(names_in(expression) for _, expression in panel_expressions(dashboard)))
        self.assertGreater(len(wanted), 10)
        with Cluster(replicas=1) as cluster:
            database = sqlite3.connect(cluster.primary.mount / "app.db")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE t (x)")
            database.commit()
            database.close()
            cluster.equal("app.db", cluster.nodes[1])
            there = set()
            for node in cluster.nodes:
                _, text = node.get("/metrics")
                there |= set(re.findall(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)[{ ]", text, re.MULTILINE))
        self.assertLessEqual(LEASE, wanted)
        self.assertEqual(wanted - there - OTHERS - LEASE, set())

    def test_operations(self):
        """docs/OPERATIONS.md says for each alert what to do"""
        text = (pathlib.Path(__file__).parents[2] / "docs/OPERATIONS.md").read_text()
        _, spec = next(rules())
        for group in spec["groups"]:
            for rule in group["rules"]:
                self.assertIn(rule["alert"], text)

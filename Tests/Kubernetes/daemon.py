"""Real daemons: a primary and replicas on this machine, each with its own mount, for as long as a test lasts."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

BINARY = os.environ["LITEFS_BINARY"]


def wait(condition, what, seconds=30):
    """Waits until a condition is true, and returns its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds} s: {what}")
        time.sleep(0.02)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Node:
    """One daemon. It can be stopped and started again, on the same data."""

    def __init__(self, folder, name, primary=None):
        self.folder, self.name = pathlib.Path(folder) / name, name
        self.folder.mkdir()
        self.mount, self.data = self.folder / "mount", self.folder / "data"
        self.log = self.folder / "log"
        self.port = free_port()
        self.primary_port = primary.port if primary else self.port
        self.process = None
        self.configure(candidate=primary is None)

    def configure(self, candidate, extra=None):
        """Writes litefs.yml. YAML takes JSON, too."""
        lease = {
            "type": "static", "candidate": candidate, "hostname": "app-0",
            "advertise-url": f"http://127.0.0.1:{self.primary_port}", "reconnect-delay": "100ms",
        }
        config = {
            "fuse": {"dir": str(self.mount), "allow-other": True}, "data": {"dir": str(self.data)},
            "http": {"addr": f":{self.port}"}, "lease": lease, **(extra or {}),
        }
        (self.folder / "litefs.yml").write_text(json.dumps(config))

    def start(self, ready=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "mount", "-config", self.folder / "litefs.yml"],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, "HOSTNAME": self.name},
            )
        if ready:
            wait(lambda: self.get("/health/ready")[0] == 200, f"{self.name} is ready")
        return self

    def stop(self):
        if self.process is None:
            return
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.process = None

    def kill(self):
        self.process.kill()
        self.process.wait(30)
        self.process = None

    def get(self, path):
        """Status and text of an answer; status 0 when there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode(errors="replace")
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")
        except OSError:
            return 0, ""

    def said(self):
        """The log, with quotation marks as in the messages."""
        return self.log.read_text(errors="replace").replace('\\"', '"')

    def says(self, text):
        """Waits for a text in the log."""
        try:
            wait(lambda: text in self.said(), "")
        except AssertionError:
            raise AssertionError(f"{self.name} does not say {text!r}: {self.said()}") from None

    def position(self, database):
        try:
            return (self.mount / f"{database}-pos").read_text()
        except OSError:
            return None


class Cluster:
    """A primary, app-0, and replicas; a context manager that leaves nothing behind."""

    def __init__(self, replicas=1):
        self.replicas = replicas

    def __enter__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="litefs-kube-")
        self.nodes = [Node(self.folder.name, "app-0")]
        try:
            self.nodes[0].start()
            for number in range(1, self.replicas + 1):
                self.add(f"app-{number}").start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def add(self, name):
        self.nodes.append(Node(self.folder.name, name, self.nodes[0]))
        return self.nodes[-1]

    @property
    def primary(self):
        return self.nodes[0]

    def equal(self, database, node):
        """Waits until a node is where the primary is."""
        wait(
            lambda: node.position(database) is not None and node.position(database) == self.primary.position(database),
            f"{node.name} has all of {database}",
        )

    def __exit__(self, *_):
        for node in self.nodes:
            node.stop()
            subprocess.run(["umount", "-l", node.mount], stderr=subprocess.DEVNULL)
        self.folder.cleanup()

"""Whether the daemon says what docs/KUBERNETES.md says that it says."""

import json
import os
import pathlib
import sqlite3
import subprocess
import unittest

from daemon import BINARY, Cluster, wait
from test_configuration import check_config

DOCS = pathlib.Path(__file__).parents[2] / "docs"
CONFIG = (DOCS.parent / "k8s/base/litefs.yml").read_text()
CANDIDATE = "${HOSTNAME == 'app-0'}"


class Messages(unittest.TestCase):
    def setUp(self):
        self.documented = (DOCS / "KUBERNETES.md").read_text()

    def expect(self, said, *messages):
        """Each message was said, and is on the page."""
        for message in messages:
            self.assertIn(message, said)
            self.assertTrue(message in self.documented, f"not in docs/KUBERNETES.md: {message}")

    def config(self, old="", new="", pod="app-1", hostname=None):
        """What litefs check-config says of the base's litefs.yml, changed, in a pod."""
        self.assertIn(old, CONFIG)
        result = check_config(CONFIG.replace(old, new), pod, hostname)
        return result.stdout + result.stderr

    def test_hostname(self):
        """the page has what the daemon says when HOSTNAME was overwritten"""
        self.expect(
            self.config(pod="app-0", hostname="foo"),
            'HOSTNAME is "foo", but this machine is called "app-0"; if litefs.yml compares HOSTNAME, remove the variable',
        )
        long = "app-0.app.default.svc.cluster.local"
        self.expect(self.config(pod=long), f'begins with its own name (HOSTNAME is "{long}"); write the primary\'s URL')

    def test_own_names(self):
        """the page has what the daemon says when each pod advertises itself"""
        said = self.config('hostname: "app-0"\n  advertise-url: "http://app-0.', 'hostname: "${HOSTNAME}"\n  advertise-url: "http://${HOSTNAME}.')
        self.expect(said, *(line.removeprefix("warning: ").split(" (lease.")[0] for line in said.splitlines() if "warning" in line))
        self.assertEqual(said.count("warning: "), 2)

    def test_candidate(self):
        """the page has what the daemon says of a candidate that is no truth value, or true everywhere"""
        self.expect(self.config(CANDIDATE, f'"{CANDIDATE}"'), "into bool; remove the quotes around the value of lease.candidate")
        for wrong in ("${HOSTNAME == app-0}", "true"):
            self.expect(self.config(CANDIDATE, wrong), "with two primaries the data of the nodes part ways; set lease.candidate")

    def test_lease_types(self):
        """the page has what the daemon says of lease types that are not there"""
        self.expect(self.config('"static"', '"etcd"'), "must be either 'consul' or 'static', got: 'etcd'; write lease")
        self.expect(self.config('"static"', '"consul"'), "lease type 'consul' is not built yet; use 'static'")

    def test_moving_lease(self):
        """the page has what the daemon says of mistakes with a lease that moves"""
        self.expect(self.config('"static"', '"kubernetes"'), 'lease.kubernetes.name "" is no name of a Lease object; write a name such as app')
        lease = (DOCS.parent / "k8s/components/lease/litefs.yml").read_text()
        for old, new, words in (
            ("${HOSTNAME}.app", "app-0.app", "does not begin with this node's name (HOSTNAME is \"app-1\"); with this lease it is each node's own URL"),
            ('"15s"', '"1500ms"', "lease.kubernetes.duration is 1.5s; write whole seconds, from 3s to 1h; 15s is the default"),
            ("allow-other: true", "allow-other: true\n  passthrough: on", "fuse.passthrough is on, but a primary that loses its lease could not keep"),
        ):
            self.assertIn(old, lease)
            result = check_config(lease.replace(old, new), "app-1")
            self.expect(result.stdout + result.stderr, words)
        result = check_config(lease, "app-1", cluster=False)
        self.expect(result.stdout + result.stderr, "it is not known where the API server is: KUBERNETES_SERVICE_HOST is not set")

    def test_clusters(self):
        """the page has what the daemon says of cluster IDs, of second primaries, and of volumes in use"""
        with Cluster(replicas=0) as cluster:
            stray = cluster.add("app-1")
            stray.configure(candidate=True)
            stray.start()
            stray.says("two primaries: this node")
            self.expect(stray.said(), "their data part ways; set lease.candidate to false on all nodes but one")
            second = cluster.add("app-2")
            second.data = stray.data
            second.configure(candidate=True)
            second.start(ready=False)
            second.says("another data.dir")
            self.expect(second.said(), "is in use by another litefs: stop it first, or give this one another data.dir")
            stray.stop()
            stray.configure(candidate=False)
            stray.start(ready=False)
            stray.says("start it again")
            self.expect(
                stray.said(), "; the data here is kept and served as it is; if this node is to join LFSC",
                "stop it, move its data directory away and start it again",
            )
            stray.stop()
            (stray.data / "clusterid").write_text("bad\n")
            stray.start(ready=False)
            stray.says("load cluster id")
            self.expect(stray.said(), "it must be LFSC and 16 hexadecimal digits; restore the file from another node")

    def test_mounts(self):
        """the page has what the daemon says of dead mounts, of hidden files, of other mounts, and of a missing /dev/fuse"""
        with Cluster(replicas=0) as cluster:
            node = cluster.primary
            node.kill()
            node.start()
            self.expect(node.said().replace(str(node.mount), "/litefs/data"), "removed the mount at /litefs/data that an earlier run left behind")
            node.stop()
            (node.mount / "app.db").touch()
            node.start()
            self.expect(
                node.said().replace(str(node.mount), "/litefs/data"),
                "the folder /litefs/data is not empty: the mount hides app.db. A program that ran while nothing was mounted",
            )
            node.stop()
            subprocess.run(["mount", "-t", "tmpfs", "none", node.mount], check=True)
            node.start(ready=False)
            node.says("-skip-unmount")
            self.expect(
                node.said().replace(str(node.mount), "/litefs").replace("tmpfs", "ext4"),
                "a file system of type ext4 is mounted at /litefs: unmount it, choose another fuse.dir, or mount on top",
            )
            subprocess.run(["umount", node.mount], check=True)
            command = f'mount -t tmpfs none /dev && exec "{BINARY}" mount -config "{node.folder}/litefs.yml"'
            result = subprocess.run(["unshare", "--mount", "sh", "-c", command], capture_output=True, text=True)
            self.expect(result.stderr, "cannot open /dev/fuse: ENOENT: No such file or directory: load the fuse module, or give")

    def test_unreachable(self):
        """the page has what the daemon says when the primary is not there, has no name, or is itself"""
        with Cluster() as cluster:
            node = cluster.nodes[1]
            cluster.primary.stop()
            node.says("Couldn't connect to server")
            self.expect(node.said(), "disconnected from primary with error, retrying: connect to primary: Failed to connect to ")
            config = json.loads((node.folder / "litefs.yml").read_text())
            own = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
            for url, words in (
                ("http://app-0.app:20202", "Could not resolve host: app-0.app"),
                *((f"http://{address}:{node.port}", "; advertise-url must be the primary's on every node") for address in own[:1]),
            ):
                node.stop()
                config["lease"]["advertise-url"] = url
                (node.folder / "litefs.yml").write_text(json.dumps(config))
                node.start(ready=False)
                node.says(words)
                self.assertTrue(words.removeprefix("; ") in self.documented, words)

    def test_full_volume(self):
        """the page has what the daemons say when volumes are full, and they go on when these have become larger"""
        with Cluster(replicas=0) as cluster:
            nodes = [cluster.primary, cluster.add("app-1")]
            cluster.primary.stop()
            for node in nodes:
                node.data.mkdir(exist_ok=True)
                subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "none", node.data], check=True)
            try:
                for node in nodes:
                    node.start()
                self.fill(*nodes)
                for node in nodes:
                    subprocess.run(["mount", "-o", "remount,size=128m", node.data], check=True)
                cluster.equal("app.db", nodes[1])
                nodes[0].says("transactions can be stored again")
                self.assertTrue("transactions can be stored again" in self.documented)
            finally:
                for node in nodes:
                    node.stop()
                    subprocess.run(["umount", node.data], check=True)

    def leave(self, node, byte_count):
        """Takes the room on a node's volume, but for so much."""
        space = os.statvfs(node.data)
        (node.data / "ballast").write_bytes(bytes(space.f_bavail * space.f_frsize - byte_count))

    def fill(self, primary, replica):
        database = sqlite3.connect(primary.mount / "app.db", timeout=10)

        def commit():
            database.execute("INSERT INTO t VALUES (?)", (os.urandom(400_000),))
            database.commit()

        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE t (x)")
        commit()
        wait(lambda: replica.position("app.db") == primary.position("app.db"), "the replica has it")
        # First the replica: nothing of a transaction has room. Then the primary: its log has room for one, its record has none.
        self.leave(replica, 0)
        commit()
        refused = [f'database "app.db": cannot {what}' for what in ("receive transactions, will try again", "apply transaction 0")]
        wait(lambda: any(text in replica.said() for text in refused), "the replica has no room")
        recorded = primary.data / "dbs/app.db/ltx"
        wait(lambda: list(recorded.glob(f"*-{primary.position('app.db')[:16]}.ltx")), "all is recorded on the primary")
        self.leave(primary, 600_000)
        commit()
        primary.says("ENOSPC")
        self.assertIn("cannot store transactions", primary.get("/info")[1])
        with self.assertRaisesRegex(sqlite3.OperationalError, "database or disk is full"):
            commit()
        database.rollback()
        database.close()
        self.expect(primary.said(), 'database "app.db": cannot store transactions, will try again: cannot write ')
        self.assertTrue(all(text in self.documented for text in refused))

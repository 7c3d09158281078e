"""The procedures of docs/OPERATIONS.md, step by step, with real daemons in the place of pods."""

import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import unittest
import urllib.request

from daemon import BINARY, Cluster, free_port, wait

EXAMPLE = pathlib.Path(__file__).parents[2] / "k8s/examples/app/app.py"


def execute(path, *statements):
    database = sqlite3.connect(path, timeout=10)
    try:
        for statement in statements:
            database.execute(statement)
        database.commit()
    finally:
        database.close()


def rows(path):
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
    try:
        return [x for (x,) in database.execute("SELECT x FROM t ORDER BY rowid")]
    finally:
        database.close()


def litefs(*arguments):
    return subprocess.run([BINARY, *map(str, arguments)], capture_output=True, text=True)


class Operations(unittest.TestCase):
    def begin(self, cluster, *values):
        """A database app.db with a row for each value, on all nodes."""
        file = cluster.primary.mount / "app.db"
        execute(file, "PRAGMA journal_mode = WAL", "CREATE TABLE t (x)", *(f"INSERT INTO t VALUES ({v})" for v in values))
        self.equal(cluster)
        return file

    def equal(self, cluster):
        for node in cluster.nodes[1:]:
            cluster.equal("app.db", node)

    def test_backup_and_restore(self):
        """a backup is restored into the running database: replicas follow, and readers see one state or the other"""
        with Cluster() as cluster:
            file = self.begin(cluster, 1, 2)
            copy = cluster.primary.folder / "app.db-1"
            result = litefs("export", "-url", f"http://127.0.0.1:{cluster.primary.port}", "-name", "app.db", copy)
            self.assertEqual(result.returncode, 0, result.stderr)
            execute(file, "DELETE FROM t", "CREATE TABLE mistake (y)", "INSERT INTO t VALUES (3)")
            self.equal(cluster)
            source, target = sqlite3.connect(copy), sqlite3.connect(file)
            source.backup(target)
            source.close()
            target.close()
            self.equal(cluster)
            for node in cluster.nodes:
                self.assertEqual(rows(node.mount / "app.db"), [1, 2])

    def test_restore_by_file(self):
        """a backup that is put in the place of a removed database becomes the database on all nodes"""
        with Cluster() as cluster:
            file = self.begin(cluster, 1, 2)
            copy = cluster.primary.folder / "copy"
            litefs("export", "-url", f"http://127.0.0.1:{cluster.primary.port}", "-name", "app.db", copy)
            execute(file, "INSERT INTO t VALUES (3)")
            for ending in ("", "-wal", "-shm"):
                pathlib.Path(f"{file}{ending}").unlink(missing_ok=True)
            shutil.copyfile(copy, file)
            os.sync()
            replica = cluster.nodes[1].mount / "app.db"
            wait(lambda: replica.exists() and rows(replica) == [1, 2], "the replica has the restored rows")
            execute(file, "INSERT INTO t VALUES (4)")
            self.equal(cluster)
            self.assertEqual(rows(replica), [1, 2, 4])

    def test_primary_volume_lost(self):
        """a primary that lost its volume is refused by replicas, whose data is kept, and gets it from one of them"""
        with Cluster(replicas=2) as cluster:
            self.begin(cluster, 1, 2)
            primary, donor, other = cluster.nodes
            primary.stop()
            shutil.rmtree(primary.data)
            primary.start()
            for node in (donor, other):
                node.says("cannot stream from primary with a different cluster id")
            self.assertEqual(rows(donor.mount / "app.db"), [1, 2])
            # As the runbook says: nobody runs, and the primary's volume becomes a copy of a replica's.
            for node in cluster.nodes:
                node.stop()
            shutil.rmtree(primary.data)
            shutil.copytree(donor.data, primary.data, ignore=shutil.ignore_patterns("supervisor.sock"))
            for node in cluster.nodes:
                node.start()
            self.equal(cluster)
            execute(primary.mount / "app.db", "INSERT INTO t VALUES (3)")
            self.equal(cluster)
            for node in cluster.nodes:
                self.assertEqual(rows(node.mount / "app.db"), [1, 2, 3])
            self.assertNotIn("snapshot received", other.said().split("different cluster id")[-1])

    def test_snapshot_of_a_volume(self):
        """a primary that goes on from a snapshot of its volume takes its replicas back with it"""
        with Cluster() as cluster:
            file = self.begin(cluster, 1, 2)
            # A copy of a running daemon's files at one moment is what cannot be had here: nobody writes instead.
            snapshot = cluster.primary.folder / "snapshot"
            shutil.copytree(cluster.primary.data, snapshot, ignore=shutil.ignore_patterns("supervisor.sock"))
            execute(file, "INSERT INTO t VALUES (3)", "INSERT INTO t VALUES (4)")
            self.equal(cluster)
            cluster.primary.stop()
            shutil.rmtree(cluster.primary.data)
            shutil.move(snapshot, cluster.primary.data)
            cluster.primary.start()
            replica = cluster.nodes[1].mount / "app.db"
            wait(lambda: rows(replica) == [1, 2], "the replica went back")
            execute(file, "INSERT INTO t VALUES (5)")
            self.equal(cluster)
            self.assertEqual(rows(replica), [1, 2, 5])

    def test_second_primary(self):
        """what a second primary of the cluster took is lost when it follows again, and can be exported before"""
        with Cluster() as cluster:
            file = self.begin(cluster, 1)
            second = cluster.nodes[1]
            second.stop()
            second.configure(candidate=True)
            second.start()
            second.says("two primaries: this node")
            execute(second.mount / "app.db", "INSERT INTO t VALUES (99)")
            execute(file, "INSERT INTO t VALUES (2)")
            saved = second.folder / "saved"
            litefs("export", "-url", f"http://127.0.0.1:{second.port}", "-name", "app.db", saved)
            second.stop()
            second.configure(candidate=False)
            second.start()
            self.equal(cluster)
            self.assertEqual(rows(second.mount / "app.db"), [1, 2])
            self.assertEqual(rows(saved), [1, 99])

    def test_another_primary(self):
        """another node becomes the primary when all were stopped, and the first one follows it without a new copy"""
        with Cluster() as cluster:
            self.begin(cluster, 1, 2)
            first, second = cluster.nodes
            # The old primary last, so that the new one has all of it.
            second_position = second.position("app.db")
            self.assertEqual(second_position, first.position("app.db"))
            first.stop()
            second.stop()
            first.primary_port = second.primary_port = second.port
            first.configure(candidate=False)
            second.configure(candidate=True)
            cluster.nodes = [second, first]
            second.start()
            first.start()
            execute(second.mount / "app.db", "INSERT INTO t VALUES (3)")
            self.equal(cluster)
            self.assertEqual(rows(first.mount / "app.db"), [1, 2, 3])
            self.assertNotIn("snapshot received", first.said())

    def test_other_cluster(self):
        """a node of another cluster keeps its data and does not join, until its volume is a new one"""
        with Cluster() as cluster:
            self.begin(cluster, 1)
            stray = cluster.add("app-2")
            stray.configure(candidate=True)
            stray.start()
            execute(stray.mount / "app.db", "CREATE TABLE t (x)", "INSERT INTO t VALUES (99)")
            stray.stop()
            stray.configure(candidate=False)
            stray.start(ready=False)
            stray.says("cannot stream from primary with a different cluster id")
            stray.says("if this node is to join")
            self.assertEqual(stray.get("/health/ready")[0], 503)
            self.assertEqual(rows(stray.mount / "app.db"), [99])
            stray.stop()
            shutil.rmtree(stray.data)
            stray.start()
            self.equal(cluster)
            self.assertEqual(rows(stray.mount / "app.db"), [1])

    def test_scaling(self):
        """a pod that was scaled away comes back with its old volume, and a new one with none"""
        with Cluster() as cluster:
            file = self.begin(cluster, 1)
            cluster.nodes[1].stop()
            execute(file, *(f"INSERT INTO t VALUES ({number})" for number in range(2, 300)))
            cluster.nodes[1].start()
            cluster.add("app-2").start()
            self.equal(cluster)
            for node in cluster.nodes[1:]:
                self.assertEqual(rows(node.mount / "app.db"), list(range(1, 300)))
            self.assertNotIn("starting from txid", cluster.nodes[1].said().split("litefs shut down complete")[-1])

    def test_readers_without_primary(self):
        """while the primary is away replicas are ready as long as max-lag allows, and not longer"""
        with Cluster(replicas=2) as cluster:
            self.begin(cluster, 1)
            patient, strict = cluster.nodes[1:]
            for node, lag in ((patient, "10m"), (strict, "1s")):
                node.stop()
                node.configure(candidate=False, extra={"proxy": {"max-lag": lag}})
                node.start()
            cluster.primary.stop()
            wait(lambda: strict.get("/health/ready")[0] == 503, "the strict one is not ready")
            self.assertIn("ms behind the primary, at most 1000 ms", strict.get("/health/ready")[1])
            self.assertEqual(patient.get("/health/ready")[0], 200)
            self.assertEqual(strict.get("/health/live")[0], 200)
            for node in (patient, strict):
                self.assertEqual(rows(node.mount / "app.db"), [1])
            cluster.primary.start()
            wait(lambda: strict.get("/health/ready")[0] == 200, "the strict one is ready again")

    def test_upgrade(self):
        """pods are replaced one after the other, the primary last, and nothing is copied anew"""
        with Cluster(replicas=2) as cluster:
            file = self.begin(cluster, 1)
            for number, node in enumerate(reversed(cluster.nodes)):
                node.stop()
                node.start()
                execute(file, f"INSERT INTO t VALUES ({number + 2})")
            self.equal(cluster)
            for node in cluster.nodes[1:]:
                self.assertEqual(rows(node.mount / "app.db"), [1, 2, 3, 4])
                self.assertNotIn("snapshot received", node.said().split("litefs shut down complete")[-1])

    def test_migration(self):
        """litefs run -if-candidate runs a migration on the primary, and leaves it out elsewhere"""
        with Cluster() as cluster:
            said = []
            for node in cluster.nodes:
                result = litefs("run", "-if-candidate", "-url", f"http://127.0.0.1:{node.port}", "--", "echo", "migrated")
                self.assertEqual(result.returncode, 0, result.stderr)
                said.append((result.stdout, result.stderr))
            self.assertEqual(said[0][0], "migrated\n")
            self.assertEqual(said[1][0], "")
            self.assertIn("node is not a candidate, skipping execution", said[1][1])

    def test_example(self):
        """the example application migrates on the primary, reads everywhere, and hands writes on"""
        with Cluster() as cluster:
            ports = [free_port() for _ in cluster.nodes]
            running = []
            try:
                for node, port in zip(cluster.nodes, ports):
                    env = {
                        **os.environ, "DATABASE": str(node.mount / "app.db"), "LITEFS": f"http://127.0.0.1:{node.port}",
                        "PORT": str(port), "PRIMARY": f"http://127.0.0.1:{ports[0]}",
                    }
                    result = subprocess.run([sys.executable, EXAMPLE, "migrate"], env=env, capture_output=True, text=True)
                    self.assertEqual(result.returncode, 0, result.stderr)
                    running.append(subprocess.Popen([sys.executable, EXAMPLE, "serve"], env=env, stderr=subprocess.DEVNULL))

                def ask(number, data=None):
                    with urllib.request.urlopen(f"http://127.0.0.1:{ports[number]}", data, timeout=10) as answer:
                        return answer.read().decode()

                def answers(number):
                    try:
                        return ask(number) is not None
                    except OSError:
                        return False

                for number in range(len(ports)):
                    wait(lambda: answers(number), "the application answers")
                self.assertEqual(ask(0, b"first"), "written\n")
                self.assertEqual(ask(1, b"second"), "written\n")
                wait(lambda: ask(1) == "first\nsecond\n", "the replica has both notes")
                for process in running:
                    process.terminate()
                    self.assertEqual(process.wait(10), 0)
            finally:
                for process in running:
                    process.kill()
                    process.wait()

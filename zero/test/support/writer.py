"""Writes a database as zero-cache's replicator does, one command a line on standard input, one answer a line.

create VERSION [MODE]  makes the database with zero-cache's tables
commit VERSION         one transaction with a row of content and the version
burst FROM TO          as many transactions without a pause
replace VERSION        makes another database beside it and renames it onto it
drop                   removes it, with its side files

An answer is the time at which the last COMMIT had returned: CLOCK_MONOTONIC in nanoseconds.
"""

import os
import sqlite3
import sys
import time

path = sys.argv[1]
connection = None


def create(file, version, mode):
    fresh = sqlite3.connect(file, isolation_level=None)
    fresh.execute(f"PRAGMA journal_mode = {mode}")
    fresh.execute("PRAGMA synchronous = NORMAL")
    fresh.executescript(
        """
        BEGIN;
        CREATE TABLE "_zero.replicationConfig" (
            replicaVersion TEXT NOT NULL, publications TEXT NOT NULL, lock INTEGER PRIMARY KEY DEFAULT 1 CHECK (lock=1));
        CREATE TABLE "_zero.replicationState" (
            stateVersion TEXT NOT NULL, writeTimeMs INTEGER, lock INTEGER PRIMARY KEY DEFAULT 1 CHECK (lock=1));
        CREATE TABLE item (id INTEGER PRIMARY KEY, body TEXT);
        COMMIT;
        """
    )
    fresh.execute("BEGIN IMMEDIATE")
    fresh.execute("""INSERT INTO "_zero.replicationConfig" (replicaVersion, publications) VALUES (?, '[]')""", (version,))
    fresh.execute("""INSERT INTO "_zero.replicationState" (stateVersion) VALUES (?)""", (version,))
    fresh.execute("COMMIT")
    return fresh


def commit(version):
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO item (body) VALUES (?)", ("content of " + version,))
    connection.execute('UPDATE "_zero.replicationState" SET stateVersion = ?, writeTimeMs = ?', (version, int(time.time() * 1000)))
    connection.execute("COMMIT")


def remove(file):
    for suffix in ("", "-wal", "-shm", "-journal"):
        try:
            os.unlink(file + suffix)
        except FileNotFoundError:
            pass


for line in sys.stdin:
    command, *words = line.split()
    if command == "create":
        connection = create(path, words[0], words[1] if len(words) > 1 else "wal")
    elif command == "commit":
        commit(words[0])
    elif command == "burst":
        for number in range(int(words[0]), int(words[1])):
            commit(f"{number:08d}")
    elif command == "replace":
        connection.close()
        other = path + ".tmp"
        create(other, words[0], "delete").close()
        os.rename(other, path)
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = wal")
    elif command == "drop":
        connection.close()
        remove(path)
    print(time.monotonic_ns(), flush=True)

"""Notes in SQLite: GET / lists them, POST / adds one. On a replica a note is handed on to the primary.

app.py migrate    makes the tables if this pod is the primary
app.py serve      serves on port 8080; GET /ready makes them, too, because the primary may have changed since

DATABASE is the file, LITEFS the URL of the daemon beside, PRIMARY the URL of the application on the primary.
"""

import contextlib
import json
import os
import signal
import sqlite3
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DATABASE = os.environ.get("DATABASE", "/litefs/data/app.db")
LITEFS = os.environ.get("LITEFS", "http://localhost:20202")
PRIMARY = os.environ.get("PRIMARY", "http://app-primary:8080")
PORT = int(os.environ.get("PORT", "8080"))


def connect(mode="rw"):
    """Opens the database for one request. The mode "rw" makes none where there is none: while the mount is away, the folder
    below it is an ordinary one."""
    return contextlib.closing(sqlite3.connect(f"file:{DATABASE}?mode={mode}", uri=True, timeout=5))


def is_primary():
    """Whether this pod is the one that writes, as the daemon says."""
    with urllib.request.urlopen(f"{LITEFS}/info", timeout=4) as answer:
        return json.load(answer)["isPrimary"]


def has_primary():
    """Whether another pod writes, and is reached: only then there is this file."""
    return os.path.exists(os.path.join(os.path.dirname(DATABASE), ".primary"))


def migrate():
    """Makes the tables; writes nothing when they are there. Returns whether this pod is the primary."""
    if not is_primary():
        return False
    with connect("rwc") as database, database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE IF NOT EXISTS notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL)")
    return True


class Notes(BaseHTTPRequestHandler):
    def do_GET(self):
        try:
            if self.path == "/ready":
                migrate()
            with connect() as database:
                notes = [text for (text,) in database.execute("SELECT text FROM notes ORDER BY id")]
        except (sqlite3.Error, OSError) as error:
            # A new replica, or the moment of a restart of the daemon.
            return self.answer(503, f"{error}\n")
        self.answer(200, "ready\n" if self.path == "/ready" else "".join(f"{note}\n" for note in notes))

    def do_POST(self):
        text = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if has_primary() and not self.headers.get("Handed-On"):
            return self.hand_on(text)
        try:
            with connect() as database, database:
                # SQLite says here, before anything is done, that the database is a replica's.
                database.execute("BEGIN IMMEDIATE")
                database.execute("INSERT INTO notes (text) VALUES (?)", (text.decode(),))
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error) or self.headers.get("Handed-On"):
                return self.answer(503, f"{error}\n")
            return self.hand_on(text)
        self.answer(201, "written\n")

    def hand_on(self, text):
        request = urllib.request.Request(PRIMARY, text, {"Handed-On": "yes"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                self.answer(answer.status, answer.read().decode())
        except urllib.error.URLError as error:
            self.answer(503, f"the primary cannot be reached: {error}\n")

    def answer(self, status, text):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    if sys.argv[1:] == ["migrate"]:
        print("migrated" if migrate() else "not the primary: nothing to migrate")
    elif sys.argv[1:] == ["serve"]:
        # The first process of a container ends by no signal that it does not handle.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        ThreadingHTTPServer(("", PORT), Notes).serve_forever()
    else:
        sys.exit(__doc__)

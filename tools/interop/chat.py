"""Members of the chat room in the words of its page, by Python's websockets, beside members over TCP.
Says `ok WHAT` or `FAILED WHAT: WHY`.

    chat.py HTTP-HOST:PORT CHAT-HOST:PORT
"""

import json
import re
import socket
import sys
import time

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from checks import TIME, check, equal

web, tcp = sys.argv[1:3]

class Page:
    """What the page is to the server."""

    def __init__(self, name):
        # It reads whatever comes, asked for or not: who does not read cannot close in order.
        self.socket = connect(f"ws://{web}/ws/chat", open_timeout=TIME, max_queue=None)
        self.tell(type="join", name=name)
        self.welcome = self.hears("welcome")
        self.name = self.welcome["you"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def tell(self, **what):
        self.socket.send(json.dumps(what))

    def says(self, text):
        self.tell(type="say", text=text)

    def hears(self, kind, **fields):
        """The next of this kind with these fields; others are passed over."""
        while True:
            event = json.loads(self.socket.recv(timeout=TIME))
            if event["type"] == kind and all(event.get(key) == value for key, value in fields.items()):
                return event


class Line:
    """A member over TCP."""

    def __init__(self):
        self.socket = socket.create_connection(tuple(tcp.rsplit(":", 1)), timeout=TIME)
        self.heard = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def says(self, text):
        self.socket.sendall(text.encode())

    def hears(self, text):
        while text.encode() not in self.heard:
            chunk = self.socket.recv(65536)
            assert chunk, f"the end, after {self.heard!r}"
            self.heard += chunk


def pages_talk():
    with Page("Ann") as ann, Page("Bob") as bob:
        ann.hears("joined", name="Bob", via="web")
        ann.says("hi & <b>bye</b> ü")
        for page in (ann, bob):
            event = page.hears("message", name="Ann", via="web")
            equal(event["text"], "hi & <b>bye</b> ü")
            assert event["time"].endswith("Z") and event["id"] > 0, event
        equal({m["name"] for m in bob.welcome["members"]} >= {"Ann", "Bob"}, True)
        bob.__exit__()
        ann.hears("left", name="Bob")


def both_kinds_talk():
    with Page("Cleo") as cleo, Line() as line:
        cleo.hears("joined", via="tcp")
        line.says("2026-01-02 03:04:05\n\tDan: over TCP")
        event = cleo.hears("message", via="tcp")
        equal([event["name"], event["text"]], ["Dan", "over TCP"])
        cleo.says("over the Web")
        line.hears("\n\tCleo: over the Web\n")
        assert re.search(rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\n\tCleo: over the Web\n", line.heard), line.heard
        line.socket.close()
        cleo.hears("left", name="Dan", via="tcp")


def history():
    with Page("Eve") as eve:
        for n in range(3):
            eve.says(f"before {n}")
        eve.hears("message", text="before 2")
        with Page("Fay") as fay:
            equal([m["text"] for m in fay.welcome["history"]][-3:], ["before 0", "before 1", "before 2"])


def names_are_unique():
    with Page("Gil") as one, Page("gil") as two, Page("Gil") as three, Page(" \u202e\n") as nobody:
        names = [page.name for page in (one, two, three)]
        equal(len({name.lower() for name in names}), 3)
        equal(names[0], "Gil")
        assert nobody.name.strip() and "\u202e" not in nobody.name, nobody.name


def nothing_is_forged():
    with Page("Ann: hi\n10:00:00\n\tHal") as ann, Line() as line:
        ann.hears("joined", via="tcp")
        assert "\n" not in ann.name and ": " not in ann.name, ann.name
        ann.says("x\n10:00:00\n\tBob: forged\r\n\tBob: again")
        line.hears("forged")
        line.hears("again")
        equal([text for text in line.heard.split(b"\n") if text.startswith(b"\tBob: ")], [])
        event = ann.hears("message")
        equal(event["name"], ann.name)


def ping():
    with Page("Ida") as ida:
        ida.tell(type="ping")
        ida.hears("pong")


def nonsense():
    with Page("Jim") as jim:
        for words in ["", "{}", "[1]", '{"type":"say"}', '{"type":"join","name":"x"}', '{"type":"say","text":" "}',
                      json.dumps({"type": "say", "text": "x" * 5000})]:
            jim.socket.send(words)
            jim.hears("error")
        jim.says("still here")
        jim.hears("message", text="still here")


def nobody_speaks_uninvited():
    with connect(f"ws://{web}/ws/chat", open_timeout=TIME) as stranger:
        stranger.send(json.dumps({"type": "say", "text": "hi"}))
        equal(json.loads(stranger.recv(timeout=TIME))["type"], "error")


def floods_end():
    with Page("Kim") as kim, Page("Lea") as lea:
        try:
            for n in range(1000):
                kim.says(str(n))
            while True:
                kim.socket.recv(timeout=TIME)
        except ConnectionClosed as closed:
            equal(closed.rcvd and closed.rcvd.code, 1008)
        lea.says("quiet at last")
        lea.hears("message", text="quiet at last")


def refuses_foreign_pages():
    try:
        connect(f"ws://{web}/ws/chat", origin="http://evil.example", open_timeout=TIME).close()
    except InvalidStatus as refusal:
        return equal(refusal.response.status_code, 403)
    raise AssertionError("it was let in")


def many():
    """All of them come, hear one, and go."""
    pages = [Page("member") for _ in range(100)]
    equal(len({page.name for page in pages}), 100)
    pages[0].says("all of you")
    for page in pages:
        page.hears("message", text="all of you")
    for page in pages:
        page.__exit__()


check("members of the page talk, come and go", pages_talk)
check("members of both kinds talk", both_kinds_talk)
check("newcomers are shown what was said last", history)
check("names are unique and visible", names_are_unique)
check("nothing that is said forges a line", nothing_is_forged)
check("a ping is answered", ping)
check("nonsense is refused and forgiven", nonsense)
check("who has not joined says nothing", nobody_speaks_uninvited)
check("floods end", floods_end)
check("foreign pages are refused", refuses_foreign_pages)
check("a hundred of the same name", many)

"""Subscribers of topics over WebSockets, by Python's websockets. Says `ok WHAT` or `FAILED WHAT: WHY`.

    push.py HOST:PORT CERTIFICATE https://localhost:PORT
"""

import json
import ssl
import sys
import urllib.request

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from checks import TIME, check, equal

host, root, tls = sys.argv[1:4]

def publish(topic, data):
    body = json.dumps(data).encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{host}/topics/{topic}", body, headers)
    return json.load(urllib.request.urlopen(request, timeout=TIME))


def subscribe(query, **options):
    return connect(f"ws://{host}/ws/events?{query}", open_timeout=TIME, **options)


def heard(socket):
    return json.loads(socket.recv(timeout=TIME))


def pushes():
    with subscribe("topic=ws-a&topic=ws-b") as socket:
        equal(publish("ws-a", {"n": 1})["receivers"], 1)
        publish("ws-b", "two")
        one, two = heard(socket), heard(socket)
        equal([one["topic"], one["data"]], ["ws-a", {"n": 1}])
        equal([two["topic"], two["data"]], ["ws-b", "two"])
        assert two["id"] > one["id"] and one["time"].endswith("Z"), one


def polls_the_same():
    with subscribe("topic=ws-same") as socket:
        publish("ws-same", [None, 1.5, "ü"])
        polled = urllib.request.urlopen(f"http://{host}/topics/ws-same?after=0", timeout=TIME)
        equal(heard(socket), json.load(polled)["messages"][0])


def resumes():
    ids = [publish("ws-again", n)["id"] for n in range(5)]
    with subscribe(f"topic=ws-again&after={ids[1]}") as socket:
        equal([heard(socket)["data"] for _ in range(3)], [2, 3, 4])


def secure():
    context = ssl.create_default_context(cafile=root)
    url = tls.replace("https", "wss") + "/ws/events?topic=ws-secure"
    with connect(url, ssl=context, open_timeout=TIME) as socket:
        publish("ws-secure", 1)
        equal(heard(socket)["data"], 1)


def pings():
    with subscribe("topic=ws-ping") as socket:
        assert socket.ping().wait(TIME), "no pong"


def listens_to_nothing():
    with subscribe("topic=ws-deaf") as socket:
        socket.send("hello?")
        publish("ws-deaf", "yes")
        equal(heard(socket)["data"], "yes")


def refuses_much():
    with subscribe("topic=ws-deaf") as socket:
        try:
            socket.send("x" * 100_000)
            socket.recv(timeout=TIME)
        except ConnectionClosed as closed:
            return equal(closed.rcvd and closed.rcvd.code, 1009)
        raise AssertionError("it was not closed")


def refuses(query, status, **options):
    try:
        subscribe(query, **options).close()
    except InvalidStatus as refusal:
        return equal(refusal.response.status_code, status)
    raise AssertionError("it was let in")


def tells_what_was_lost():
    """Frames that are not read stay in the kernels until these are full, then the ring moves on."""
    total, data = 400, "x" * 60_000
    with subscribe("topic=ws-slow", max_queue=1) as slow, subscribe("topic=ws-slow") as quick:
        for n in range(total):
            publish("ws-slow", [n, data])
            equal(heard(quick)["data"][0], n)
        came, lost, last = 0, 0, -1
        while last < total - 1:
            message = heard(slow)
            if "lost" in message:
                lost += message["lost"]
                continue
            n = message["data"][0]
            assert n > last, "out of order"
            came, last = came + 1, n
        equal(came + lost, total)
        assert lost > 0, "it lost nothing"


check("websockets: what is published is pushed", pushes)
check("websockets: a poll says the same", polls_the_same)
check("websockets: it goes on after a number", resumes)
check("websockets: over TLS", secure)
check("websockets: a ping is answered", pings)
check("websockets: what a subscriber says is not listened to", listens_to_nothing)
check("websockets: and too much of it ends the connection", refuses_much)
check("websockets: no topic is refused", lambda: refuses("", 400))
check("websockets: foreign pages are refused", lambda: refuses("topic=a", 403, origin="http://evil.example"))
check("websockets: a slow subscriber is told what it lost, a quick one loses nothing", tells_what_was_lost)

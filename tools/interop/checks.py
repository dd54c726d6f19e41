"""What the checks in Python share. Each says `ok WHAT` or `FAILED WHAT: WHY`, for the harness."""

import sys

#: The longest that anything may take, in seconds.
TIME = 10


def check(what, test):
    try:
        test()
        print("ok", what)
    except Exception as error:  # whatever it is, it is the verdict
        print("FAILED", what, "-", type(error).__name__, str(error)[:200].replace("\n", " "))
    sys.stdout.flush()


def equal(got, wanted):
    assert got == wanted, f"got {got!r}, not {wanted!r}"

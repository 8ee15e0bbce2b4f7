"""What the Python clients share: each check is a function; its outcome is one line of JSON for run.ts."""

import json
import os
import traceback

MILLRACE_PORT = int(os.environ["MILLRACE_PORT"])
UPSTREAM = os.environ["UPSTREAM_URL"]


def report(name, error=None):
    print(json.dumps({"name": name, "error": error}), flush=True)


def check(name):
    """Runs the function at once."""

    def run(function):
        try:
            function()
            report(name)
        except Exception:
            report(name, traceback.format_exc(limit=-3))
        return function

    return run


def equal(seen, wanted):
    # NaN equals itself here: repr, not ==.
    if repr(seen) != repr(wanted):
        raise AssertionError(f"\n  seen   {seen!r}\n  wanted {wanted!r}")

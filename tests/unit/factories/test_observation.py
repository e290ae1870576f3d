"""What the observer of a factory does at each audit event, of which code raises many."""

from __future__ import annotations

import subprocess
import sys

CALLS = """
import sys
hooks = []
sys.addaudithook = hooks.append
from hermpkg_build.factories.observation import FileObserver
FileObserver()
(hook,) = hooks
called = []
def note(frame, event, argument):
    if event == "call":
        called.append(frame.f_code.co_name)
def calls(event, *arguments):
    called.clear()
    sys.setprofile(note)
    hook(event, arguments)
    sys.setprofile(None)
    return called
print(calls("builtins.id", 1) == ["hook"])
print("_note_open" in calls("open", "/nowhere", "r", 0))
print(type(hook).__name__)
"""


LOOKS = """
from hermpkg_build.factories import warm_server
from hermpkg_build.factories.observation import FileObserver
observer = FileObserver()
print(warm_server._signatures([__import__("sys").executable, "/nowhere"])["/nowhere"])
print(*[name for noted in observer.take().files.values() for name in noted])
"""


def test_a_warm_process_s_own_looks_are_not_observed() -> None:
    done = subprocess.run([sys.executable, "-c", LOOKS], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["None", ""]


def test_an_event_that_concerns_nobody_takes_one_look() -> None:
    done = subprocess.run([sys.executable, "-c", CALLS], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["True", "True", "function"]

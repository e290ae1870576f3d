"""Tracing which modules a call uses, beside profilers and debuggers that are at work."""

import cProfile
import json
import sys

import pytest

from hermpkg_build.analyze import is_from_package, trace_dependencies


def encode(value):
    return json.dumps(value, indent=1)


def test_the_modules_whose_functions_run():
    used = trace_dependencies(encode, [({"a": [1]},), (2,)])
    assert {"json", "json.encoder", __name__} <= set(used)
    assert used == sorted(used)
    assert not [name for name in used if name.startswith("hermpkg_build")]
    assert "json.decoder" not in used


def test_without_inputs_nothing_runs():
    assert trace_dependencies(encode, []) == []


def test_errors_pass_through_and_leave_nothing_behind():
    with pytest.raises(ZeroDivisionError):
        trace_dependencies(lambda: 1 // 0, [()])
    assert sys.getprofile() is None


def test_a_profile_function_stays_and_sees_everything():
    seen = []

    def profile(frame, event, argument):
        seen.append(frame.f_code.co_name)

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        used = trace_dependencies(encode, [(1,)])
        still = sys.getprofile()
    finally:
        sys.setprofile(before)
    assert still is profile
    assert "encode" in seen
    assert "json" in used


def test_a_profiler_written_in_c_stays_and_sees_everything():
    profiler = cProfile.Profile()
    profiler.enable()
    used = trace_dependencies(encode, [(1,)])
    profiler.disable()
    names = {entry.code.co_name for entry in profiler.getstats() if not isinstance(entry.code, str)}
    assert {"encode", "dumps"} <= names
    assert "json" in used


def test_a_trace_function_stays():
    def trace(frame, event, argument):
        return None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        used = trace_dependencies(encode, [(1,)])
        still = sys.gettrace()
    finally:
        sys.settrace(before)
    assert still is trace
    assert "json" in used


def test_is_from_package_is_there():
    assert not is_from_package(json)

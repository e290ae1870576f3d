"""package_test as BUILD files call it. The rule is in a file of its own, where it has the same name."""

load("//rules/private:package_test_rule.bzl", _package_test = "package_test")

def package_test(seconds = "60", **arguments):
    """Declares a test with a timeout for Bazel that is long enough.

    Args:
      seconds: the timeout in BUILD files, a number as JSON.
      **arguments: the other arguments of the rule.
    """
    _package_test(seconds = seconds, timeout = _bazel_timeout(json.decode(seconds)), **arguments)

def _bazel_timeout(seconds):
    """The shortest timeout that leaves the program its seconds, and some for the report."""
    for timeout, limit in [("short", 60), ("moderate", 300), ("long", 900)]:
        if seconds < limit:
            return timeout
    return "eternal"

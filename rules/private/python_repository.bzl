"""A repository for a Python interpreter of this machine: what it is, and what is installed for it."""

load("//rules/private:requests.bzl", "INTERPRETER_FLAGS")

_BUILD = """# The Python interpreter of hermpkg's actions, as it was when Bazel looked.

load("{interpreter_bzl}", "python_interpreter")

python_interpreter(
    name = "python",
    environment = "environment.json",
    fingerprint = {fingerprint},
    path = {path},
    workers = {workers},
    visibility = ["//visibility:public"],
)
"""

def _python_repository_impl(ctx):
    interpreter = _find_interpreter(ctx)
    ctx.file("environment.request", json.encode({"output": "environment.json"}), executable = False)
    launcher = ctx.path(Label("//rules/private:launch.py"))
    command = [interpreter] + INTERPRETER_FLAGS + [launcher, "environment", "@environment.request"]
    described = ctx.execute(command)
    if described.return_code:
        fail("%s cannot run hermpkg: install hermpkg's dependencies for it, or name another interpreter.\n%s" %
             (interpreter, described.stderr))
    ctx.file(
        "BUILD",
        _BUILD.format(
            fingerprint = json.encode(described.stdout.strip()),
            interpreter_bzl = Label("//rules/private:interpreter.bzl"),
            path = json.encode(interpreter),
            workers = ctx.attr.workers,
        ),
        executable = False,
        legacy_utf8 = False,  # Bazel gives paths as the bytes that they are
    )

def _find_interpreter(ctx):
    """The path as it is given: what a virtual environment links to would not be that environment."""
    asked = ctx.attr.interpreter or ctx.os.environ.get("HERMPKG_PYTHON", "")
    if not asked:
        found = ctx.which("python3")
        if not found:
            fail("there is no python3 in the PATH: name an interpreter, or set HERMPKG_PYTHON")
        return str(found)
    if not asked.startswith("/"):
        fail("the path of the interpreter is not absolute: " + asked)
    return asked

python_repository = repository_rule(
    implementation = _python_repository_impl,
    attrs = {
        "interpreter": attr.string(doc = "An absolute path. See hermpkg_python."),
        "workers": attr.bool(mandatory = True),
    },
    configure = True,
    doc = "Describes an interpreter. `bazel sync --configure` looks again.",
    environ = [
        "HERMPKG_PYTHON",
        "PATH",
    ],
    local = True,
)

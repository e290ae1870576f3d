"""A repository for a Python interpreter of this machine: what it is, what is installed for it, and from which lock."""

load("//rules/private:requests.bzl", "INTERPRETER_FLAGS")

_BUILD = """# The Python interpreter of hermpkg's actions, as it was when Bazel looked.

# Links to files of the workspace that say how artifacts record their environment, where they are there.
_LINKS = {links}

load("{interpreter_bzl}", "python_interpreter")

python_interpreter(
    name = "python",
    asked = _LINKS.values(),
    environment = "environment.json",
    fingerprint = {fingerprint},
    path = {path},
    settings = {{link: path for link, path in _LINKS.items() if glob(
        [link],
        allow_empty = True,
    )}},
    workers = {workers},
    visibility = ["//visibility:public"],
)
"""

def _python_repository_impl(ctx):
    interpreter = _find_interpreter(ctx)
    root = _workspace_root(ctx)
    request = [{"output": "environment.json"}, {"workspace": root}, {"encoding": "é"}]
    ctx.file("environment.request", "\n".join([json.encode(line) for line in request]), executable = False)
    launcher = ctx.path(Label("//rules/private:launch.py"))
    command = [interpreter] + INTERPRETER_FLAGS + [launcher, "environment", "@environment.request"]
    described = ctx.execute(command)
    if described.return_code:
        fail("%s cannot run hermpkg: install hermpkg's dependencies for it, or name another interpreter.\n%s" %
             (interpreter, described.stderr))
    lines = described.stdout.strip().split("\n")
    links = {"workspace/%d" % number: path for number, path in enumerate(lines[1:])}
    for link, path in links.items():
        ctx.symlink("%s/%s" % (root, path), link)
    ctx.file(
        "BUILD",
        _BUILD.format(
            fingerprint = json.encode(lines[0]),
            interpreter_bzl = Label("//rules/private:interpreter.bzl"),
            links = json.encode(links),
            path = json.encode(interpreter),
            workers = ctx.attr.workers,
        ),
        executable = False,
        legacy_utf8 = False,  # Bazel gives paths as the bytes that they are
    )

def _workspace_root(ctx):
    """The folder of the workspace that is built. Bazel 4 tells it in a file alone."""
    if hasattr(ctx, "workspace_root"):
        return str(ctx.workspace_root)
    return ctx.read(ctx.path("../../DO_NOT_BUILD_HERE")).strip()

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

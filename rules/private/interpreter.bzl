"""The interpreter that actions run with."""

InterpreterInfo = provider(
    doc = "A Python interpreter of this machine, with what is installed for it.",
    fields = {
        "environment": "A file that says what it is and what is installed: an input of what depends on that.",
        "fingerprint": "A digest of that file, for command lines.",
        "path": "Its absolute path.",
        "workers": "Whether Bazel may keep processes of it that take one request after the other.",
    },
)

def _python_interpreter_impl(ctx):
    return [InterpreterInfo(
        environment = ctx.file.environment,
        fingerprint = ctx.attr.fingerprint,
        path = ctx.attr.path,
        workers = ctx.attr.workers,
    )]

python_interpreter = rule(
    implementation = _python_interpreter_impl,
    attrs = {
        "environment": attr.label(
            doc = "What the action `environment` of hermpkg_build.bazel says of it.",
            allow_single_file = [".json"],
            mandatory = True,
        ),
        "fingerprint": attr.string(
            doc = "What that action says on its standard output.",
            mandatory = True,
        ),
        "path": attr.string(
            doc = "Where a Python is that has hermpkg's dependencies installed, and whatever models import.",
            mandatory = True,
        ),
        "workers": attr.bool(
            doc = "Whether Bazel may keep processes that talk its JSON protocol for workers.",
            mandatory = True,
        ),
    },
    provides = [InterpreterInfo],
)

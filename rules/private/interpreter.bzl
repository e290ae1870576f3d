"""The interpreter that actions run with."""

InterpreterInfo = provider(
    doc = "A Python interpreter of this machine that has hermpkg's dependencies installed, and whatever models import.",
    fields = {
        "environment": "The file that the action `environment` of hermpkg_build.bazel writes: it names what is installed.",
        "fingerprint": "A digest of that file, for command lines.",
        "path": "Its absolute path.",
        "workers": "Whether Bazel may keep processes of it that talk its JSON protocol for workers.",
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
        "environment": attr.label(allow_single_file = [".json"], mandatory = True),
        "fingerprint": attr.string(mandatory = True),
        "path": attr.string(mandatory = True),
        "workers": attr.bool(mandatory = True),
    },
    provides = [InterpreterInfo],
)

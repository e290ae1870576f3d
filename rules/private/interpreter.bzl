"""The interpreter that actions run with."""

InterpreterInfo = provider(
    doc = "A Python interpreter of this machine that has hermpkg's dependencies installed, and whatever models import.",
    fields = {
        "asked": "The paths of files of the workspace that may say how artifacts record their environment: a list.",
        "bytecode": "What it compiles to, in words: the name of its cache files, and the number in them.",
        "environment": "The file that the action `environment` of hermpkg_build.bazel writes: it names what is installed.",
        "fingerprint": "A digest of that file, for command lines.",
        "path": "Its absolute path.",
        "settings": "Those of the files `asked` that are there: a dictionary from Files to their paths in the workspace.",
        "workers": "Whether Bazel may keep processes of it that talk its JSON protocol for workers.",
    },
)

def _python_interpreter_impl(ctx):
    return [InterpreterInfo(
        asked = ctx.attr.asked,
        bytecode = ctx.attr.bytecode,
        environment = ctx.file.environment,
        fingerprint = ctx.attr.fingerprint,
        path = ctx.attr.path,
        settings = {target.files.to_list()[0]: path for target, path in ctx.attr.settings.items()},
        workers = ctx.attr.workers,
    )]

python_interpreter = rule(
    implementation = _python_interpreter_impl,
    attrs = {
        "asked": attr.string_list(),
        "bytecode": attr.string(mandatory = True),
        "environment": attr.label(allow_single_file = [".json"], mandatory = True),
        "fingerprint": attr.string(mandatory = True),
        "path": attr.string(mandatory = True),
        "settings": attr.label_keyed_string_dict(allow_files = True),
        "workers": attr.bool(mandatory = True),
    },
    provides = [InterpreterInfo],
)

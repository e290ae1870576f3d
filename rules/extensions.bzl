"""The interpreter of the actions, for a MODULE.bazel file.

    python = use_extension("@hermpkg//rules:extensions.bzl", "python")
    python.local(interpreter = "/opt/venv/bin/python")
"""

load("//rules/private:python_repository.bzl", "python_repository")

def _python_impl(module_ctx):
    asked = [
        tag.interpreter
        for module in module_ctx.modules
        if module.is_root
        for tag in module.tags.local
    ]
    if len(asked) > 1:
        fail("python.local() is called twice, but there can be only one interpreter")
    python_repository(
        name = "hermpkg_python",
        interpreter = asked[0] if asked else "",
        workers = True,
    )

python = module_extension(
    implementation = _python_impl,
    doc = "The Python interpreter that models are built with.",
    tag_classes = {
        "local": tag_class(
            attrs = {
                "interpreter": attr.string(
                    doc = "Its absolute path. The default is that in HERMPKG_PYTHON, of the environment or " +
                          "of --repo_env, else the python3 of the PATH.",
                ),
            },
            doc = "An interpreter of this machine. Only the root module's call counts.",
        ),
    },
)

"""python_modules: sources with their import facts."""

load("//rules/private:providers.bzl", "PythonModulesInfo", "merge_modules")
load(
    "//rules/private:requests.bzl",
    "TOOL_ATTRS",
    "add",
    "add_files",
    "add_paths",
    "add_target",
    "declare",
    "file_label_text",
    "label_text",
    "new_request",
    "run_tool",
)

def _python_modules_impl(ctx):
    dependencies = [dep[PythonModulesInfo] for dep in ctx.attr.deps]
    facts = [_analyse(ctx, source) for source in ctx.files.srcs]
    declaration = declare(ctx, "python_modules", {
        "deps": [label_text(dep.label) for dep in ctx.attr.deps],
        "resources": [file_label_text(file) for file in ctx.files.resources],
        "srcs": [file_label_text(file) for file in ctx.files.srcs],
    })
    return [
        # A target is built for itself to see that it is right. What depends on it is none the worse for
        # a source that does not parse, as long as it does not need that one.
        DefaultInfo(files = depset([_check(ctx, declaration, dependencies, facts)])),
        merge_modules(
            dependencies,
            declarations = [declaration],
            facts = facts,
            resources = ctx.files.resources,
            sources = ctx.files.srcs,
        ),
    ]

def _analyse(ctx, source):
    """The import facts of one module, which depend on nothing but its bytes and Python's grammar."""
    name = file_label_text(source).rpartition(":")[2]
    facts = ctx.actions.declare_file("%s.facts/%s.facts" % (ctx.label.name, name))
    request = new_request(ctx)
    add(request, "source", source.path)
    add(request, "output", facts.path)
    run_tool(
        ctx,
        "analyse",
        request,
        inputs = depset([source]),
        outputs = [facts],
        mnemonic = "HermpkgAnalyse",
        progress_message = "Analysing imports of " + source.short_path,
        needs_environment = False,
        worker = True,
    )
    return facts

def _check(ctx, declaration, dependencies, facts):
    """An empty file that exists when every source is a module and parses."""
    stamp = ctx.actions.declare_file(ctx.label.name + ".checked")
    modules = merge_modules(dependencies)
    request = new_request(ctx)
    add_target(request, ctx, declaration, modules)
    add_files(request, ctx.files.srcs)
    add_paths(request, "facts", facts)
    add(request, "output", stamp.path)
    run_tool(
        ctx,
        "check",
        request,
        inputs = depset(ctx.files.srcs + facts),
        outputs = [stamp],
        mnemonic = "HermpkgCheck",
        progress_message = "Checking modules of %s" % ctx.label,
        worker = True,
    )
    return stamp

python_modules = rule(
    implementation = _python_modules_impl,
    attrs = dict(TOOL_ATTRS, **{
        "deps": attr.label_list(providers = [PythonModulesInfo]),
        "resources": attr.label_list(allow_files = True),
        "srcs": attr.label_list(
            allow_files = [".py"],
            mandatory = True,
        ),
    }),
    provides = [PythonModulesInfo],
)

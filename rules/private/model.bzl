"""model: what a factory function returns, in a folder."""

load("//rules/private:providers.bzl", "ModelInfo", "PythonModulesInfo", "merge_modules")
load(
    "//rules/private:requests.bzl",
    "TOOL_ATTRS",
    "add",
    "add_files",
    "add_target",
    "declare",
    "file_label_text",
    "label_text",
    "new_request",
    "run_tool",
)

def _model_impl(ctx):
    modules = merge_modules([dep[PythonModulesInfo] for dep in ctx.attr.deps])
    declaration = declare(ctx, "model", {
        "args": json.decode(ctx.attr.arguments),
        "deps": [label_text(dep.label) for dep in ctx.attr.deps],
        "factory": ctx.attr.factory,
        "seed": json.decode(ctx.attr.seed),
        "weights": file_label_text(ctx.file.weights) if ctx.file.weights else None,
    })
    weights = [ctx.file.weights] if ctx.file.weights else []
    files = depset(weights, transitive = [modules.sources, modules.resources])
    folder = ctx.actions.declare_directory(ctx.label.name + ".model")
    request = new_request(ctx)
    add_target(request, ctx, declaration, modules)
    add_files(request, files)
    add(request, "output", folder.path)
    run_tool(
        ctx,
        "model",
        request,
        inputs = files,
        outputs = [folder],
        mnemonic = "HermpkgModel",
        progress_message = "Making the model %s" % ctx.label,
    )
    return [
        DefaultInfo(files = depset([folder])),
        ModelInfo(
            declaration = declaration,
            folder = folder,
            label = label_text(ctx.label),
            modules = modules,
        ),
    ]

model = rule(
    implementation = _model_impl,
    attrs = dict(TOOL_ATTRS, **{
        "arguments": attr.string(doc = "The factory's keyword arguments, a JSON object."),
        "deps": attr.label_list(providers = [PythonModulesInfo]),
        "factory": attr.string(mandatory = True),
        "seed": attr.string(doc = "A decimal number, which can be larger than Bazel's integers."),
        "weights": attr.label(allow_single_file = [
            ".safetensors",
            ".pt",
            ".pth",
            ".bin",
        ]),
    }),
    provides = [ModelInfo],
)

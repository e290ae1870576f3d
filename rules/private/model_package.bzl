"""model_package: an artifact out of models, modules and resources."""

load("//rules/private:providers.bzl", "ModelInfo", "ModelPackageInfo", "PythonModulesInfo", "merge_modules")
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

def _model_package_impl(ctx):
    models = [target[ModelInfo] for target in ctx.attr.models]
    modules = merge_modules(
        [dep[PythonModulesInfo] for dep in ctx.attr.deps] + [model.modules for model in models],
    )
    declaration = _declare(ctx, models)
    artifact = ctx.actions.declare_file(ctx.attr.out)
    folders = [model.folder for model in models]
    files = depset(ctx.files.resources, transitive = [modules.sources, modules.resources])
    request = new_request(ctx)
    add_target(request, ctx, declaration, modules)
    request.add_all([model.declaration for model in models], format_each = "{\"declared\": %s}")
    add_files(request, files)
    add_paths(request, "facts", modules.facts)
    for model in models:
        add(request, "model", [model.label, model.folder.path])
    add(request, "output", artifact.path)
    run_tool(
        ctx,
        "assemble",
        request,
        inputs = depset(folders, transitive = [files, modules.facts]),
        outputs = [artifact],
        mnemonic = "HermpkgAssemble",
        progress_message = "Assembling the artifact of %s" % ctx.label,
        worker = True,
    )
    return [
        DefaultInfo(files = depset([artifact])),
        ModelPackageInfo(artifact = artifact),
    ]

def _declare(ctx, models):
    records = {
        text: model.label
        for text, model in zip(ctx.attr.model_texts, models)
    }
    resources = {
        text: file_label_text(target.files.to_list()[0])
        for text, target in zip(ctx.attr.resource_texts, ctx.attr.resources)
    }
    return declare(ctx, "model_package", {
        "deps": [label_text(dep.label) for dep in ctx.attr.deps],
        "files": ctx.attr.files,
        "models": {record: records[text] for record, text in ctx.attr.model_records.items()},
        "modules": ctx.attr.modules,
        "out": ctx.attr.out,
        "policy": [json.decode(rule) for rule in ctx.attr.policy],
        "python_version": ctx.attr.python_version or None,
        "requires": ctx.attr.requires,
        "resources": {record: resources[text] for record, text in ctx.attr.resource_records.items()},
        "sources": ctx.attr.sources,
    })

model_package = rule(
    implementation = _model_package_impl,
    attrs = dict(TOOL_ATTRS, **{
        "deps": attr.label_list(providers = [PythonModulesInfo]),
        "files": attr.string(),
        "model_records": attr.string_dict(doc = "The artifact's pickles, each with its text among model_texts."),
        "model_texts": attr.string_list(doc = "The labels of models, in their order, as BUILD files write them."),
        "models": attr.label_list(providers = [ModelInfo]),
        "modules": attr.string_list(),
        "out": attr.string(mandatory = True),
        "policy": attr.string_list(doc = "Policy rules, each a JSON object."),
        "python_version": attr.string(),
        "requires": attr.string_dict(),
        "resource_records": attr.string_dict(doc = "As model_records, for resources."),
        "resource_texts": attr.string_list(doc = "As model_texts, for resources."),
        "resources": attr.label_list(allow_files = True),
        "sources": attr.string_dict(),
    }),
    provides = [ModelPackageInfo],
)

"""Artifacts in the servers and registries of others; each module imports its library when it is used.

`ray` deploys artifacts on a cluster, `mlflow` keeps them in a model registry. Both stand on `packed_model`,
what an artifact holds as something to call, and `values`, plain data in and out.
"""

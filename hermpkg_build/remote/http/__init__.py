"""The shared cache over HTTP, as Bazel's `--remote_cache=http://` speaks it."""

"""The Open Inference Protocol, version 2: bodies of requests become calls, and results become bodies."""

"""The Open Inference Protocol, version 2, over HTTP: what ``hermpkg serve`` serves."""

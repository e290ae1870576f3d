"""The version of hermpkg-build, the distribution that makes artifacts: that of the runtime which it needs."""

BUILD_VERSION = "0.1.0"

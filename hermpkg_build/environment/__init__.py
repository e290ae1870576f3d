"""The environment that an artifact needs: recorded when it is built, made again where it lands."""

# An image with hermpkg of this checkout, to build artifacts in and to check them:
#
#   docker build --tag hermpkg .
#   docker run --rm --user "$(id -u):$(id -g)" --volume "$PWD:/workspace" hermpkg verify --locked
#
# What models need is installed on top of it (FROM hermpkg), or by --build-arg EXTRAS=torch.
ARG PYTHON=3.11

FROM python:${PYTHON}-slim AS wheels
WORKDIR /checkout
COPY . .
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM python:${PYTHON}-slim
ARG EXTRAS=""
LABEL org.opencontainers.image.title="hermpkg" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN --mount=type=bind,from=wheels,source=/wheels,target=/wheels \
    python -m pip install --no-cache-dir "$(echo /wheels/hermpkg_build-*.whl)${EXTRAS:+[${EXTRAS}]}"
# Whatever user it runs as has a folder for caches there.
ENV HOME=/tmp
WORKDIR /workspace
USER 65532:65532
ENTRYPOINT ["hermpkg"]
CMD ["--help"]

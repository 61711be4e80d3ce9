# The images of the services: `docker build --target engine .`, or relay, feed, publisher or take-in.
# Each has only what it needs: an engine has no database driver, and none has a compiler.

# Pinned by digest; the pull requests of the dependency updates bring newer ones.
FROM python:3.13-slim-bookworm@sha256:67a1e1f215ccda113cfc024e8639049257e88f273898f595b61476d128d387e8 AS base
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONUTF8=1 PATH=/app/bin:$PATH

FROM base AS build
# Containers may not write beside the packages, so their bytecode is made here.
ENV UV_COMPILE_BYTECODE=1
WORKDIR /src
COPY requirements/uv.txt requirements/
RUN pip install --no-cache-dir --require-hashes -r requirements/uv.txt
COPY requirements/engine.txt requirements/relay.txt requirements/feed.txt requirements/publisher.txt \
  requirements/take-in.txt requirements/
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN uv build --wheel --out-dir /wheel

FROM build AS build-engine
RUN uv venv /app && VIRTUAL_ENV=/app uv pip install --no-cache --require-hashes -r requirements/engine.txt \
 && VIRTUAL_ENV=/app uv pip install --no-cache --no-deps /wheel/*.whl

FROM build AS build-relay
RUN uv venv /app && VIRTUAL_ENV=/app uv pip install --no-cache --require-hashes -r requirements/relay.txt \
 && VIRTUAL_ENV=/app uv pip install --no-cache --no-deps /wheel/*.whl

FROM build AS build-feed
RUN uv venv /app && VIRTUAL_ENV=/app uv pip install --no-cache --require-hashes -r requirements/feed.txt \
 && VIRTUAL_ENV=/app uv pip install --no-cache --no-deps /wheel/*.whl

FROM build AS build-publisher
RUN uv venv /app && VIRTUAL_ENV=/app uv pip install --no-cache --require-hashes -r requirements/publisher.txt \
 && VIRTUAL_ENV=/app uv pip install --no-cache --no-deps /wheel/*.whl

FROM build AS build-take-in
RUN uv venv /app && VIRTUAL_ENV=/app uv pip install --no-cache --require-hashes -r requirements/take-in.txt \
 && VIRTUAL_ENV=/app uv pip install --no-cache --no-deps /wheel/*.whl

FROM base AS engine
COPY --from=build-engine /app /app
# The file system cannot be written but for /tmp, where a task has a volume: declared here, the
# volume gets the folder's rights, so that nobody's user may write there.
ENV NUMBA_CACHE_DIR=/tmp/numba
VOLUME ["/tmp"]
USER 10001
ENTRYPOINT ["tuppence"]

FROM base AS database-client
# When Amazon replaces the bundle the build stops here: compare the new file with its announcement, then
# change the checksum.
ADD --chmod=644 --checksum=sha256:e5bb2084ccf45087bda1c9bffdea0eb15ee67f0b91646106e466714f9de3c7e3 \
  https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem /etc/ssl/rds.pem

FROM database-client AS relay
COPY --from=build-relay /app /app
VOLUME ["/tmp"]
USER 10001
ENTRYPOINT ["tuppence"]

FROM database-client AS feed
COPY --from=build-feed /app /app
ENV NUMBA_CACHE_DIR=/tmp/numba
VOLUME ["/tmp"]
USER 10001
ENTRYPOINT ["tuppence"]

FROM database-client AS take-in
COPY --from=build-take-in /app /app
ENV NUMBA_CACHE_DIR=/tmp/numba
VOLUME ["/tmp"]
USER 10001
ENTRYPOINT ["tuppence"]

FROM base AS publisher
COPY --from=build-publisher /app /app
ENV NUMBA_CACHE_DIR=/tmp/numba
USER 10001
ENTRYPOINT ["python", "-m", "awslambdaric"]
CMD ["tuppence.lambdas.convert.handler"]

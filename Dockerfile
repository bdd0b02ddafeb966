# One image for all services of ours: workers, beat, Flower, the HTTP server, the command line. It has no entry point:
# each service of docker-compose.yml says its command. Built once, by one service, or by `docker build -t underbutler .`
#
# Sources change often and dependencies seldom: the sources come last, and a change of them makes one small layer.

ARG PYTHON_IMAGE=python:3.11-slim

# What is built, is built in these three stages: the last one has neither compiler nor package cache. uv, because it
# unpacks a gigabyte in seconds; it trusts the certificates of its base.
FROM ${PYTHON_IMAGE} AS builder
RUN --mount=type=cache,target=/root/.cache/pip \
    python3 -m venv /opt/uv && /opt/uv/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9,<1'
ENV PATH=/opt/uv/bin:/usr/local/bin:/usr/bin:/bin UV_NATIVE_TLS=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never

FROM builder AS dependencies
# Extras of pyproject.toml that the image has; one that this release does not know is left out and said.
ARG EXTRAS=science,postgres,api,plot,monitoring,tracing,beat
WORKDIR /build
COPY deploy/image/requirements.py pyproject.toml ./
COPY client/pyproject.toml client/
COPY constraints/py*.txt constraints/
# The versions that CI tests on this Python, files compared with their hashes. A Python without a file has what is newest.
RUN --mount=type=cache,target=/root/.cache/uv \
    python3 requirements.py pyproject.toml "${EXTRAS}" client/pyproject.toml > requirements.txt \
    && tested=$(python3 -c 'import sys; print("constraints/py%d%d.txt" % sys.version_info[:2])') \
    && if [ ! -f "$tested" ]; then echo "There is no $tested: nothing is constrained." >&2; tested=/dev/null; fi \
    && uv venv --quiet --seed --python /usr/local/bin/python3 /opt/underbutler \
    && uv pip install --quiet --python /opt/underbutler -r requirements.txt --constraint "$tested"
# Containers are read-only, and write no bytecode. Tests of libraries are not run: some carry data that is.
RUN /opt/underbutler/bin/python -m compileall -qq -j 0 -x '/tests?/' /opt/underbutler/lib || true

FROM builder AS wheel
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY underbutler underbutler
COPY workers workers
COPY tasks tasks
COPY beat beat
COPY client client
RUN --mount=type=cache,target=/root/.cache/uv uv build --quiet --wheel --out-dir /wheels . \
    && uv build --quiet --wheel --out-dir /wheels ./client

FROM ${PYTHON_IMAGE}
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG UID=10001
ARG GID=10001
# The folders' owner is also that of the named volumes that are mounted there for the first time.
RUN groupadd --gid ${GID} underbutler \
    && useradd --uid ${UID} --gid ${GID} --home-dir /srv/home --no-create-home --shell /usr/sbin/nologin underbutler \
    && install --directory --owner=${UID} --group=${GID} /srv/home /srv/butler /srv/s3
COPY --from=dependencies /opt/underbutler /opt/underbutler
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    /opt/underbutler/bin/python -m pip install --quiet --no-deps --no-index --no-cache-dir --disable-pip-version-check \
        /wheels/*.whl
COPY deploy/check_secrets.py /opt/underbutler/bin/check-secrets
ENV PATH=/opt/underbutler/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    UNDERBUTLER_HOME=/srv/home \
    UNDERBUTLER_REPOSITORY_INDEX=/srv/butler/repositories.yaml
LABEL org.opencontainers.image.title="Underbutler" \
      org.opencontainers.image.description="Butler data reduction as a Celery service" \
      org.opencontainers.image.licenses="BSD-3-Clause" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# A number, so that an orchestrator sees that it is not root. The folder has no `tasks.py` that could shadow ours.
USER ${UID}:${GID}
WORKDIR /srv/home
CMD ["underbutler", "--help"]

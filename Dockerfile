# syntax=docker/dockerfile:1
# Two images from one source tree, which runs as it lies: nothing of it but its dependencies is installed.
#
#   docker build --target gateway .                              gateway, sweeper, ledger upgrade; no torch
#   docker build --target worker .                               worker on CPUs
#   docker build --target worker --build-arg COMPUTE=cu130 .     worker on NVIDIA GPUs
#
# Both run as user 10001 on a read-only root; what they write is under /tmp (tmpfs) and /var/lib/palimpsest (a volume,
# empty in a deployment whose ledger and evidence are elsewhere). There are no secrets in them: deploy/env.example
# lists what the environment has to say. PYTHON names another base, by digest for whoever needs the same bytes twice:
# --build-arg PYTHON=python@sha256:…

ARG PYTHON=python:3.11-slim-bookworm
ARG COMPUTE=cpu

FROM ${PYTHON} AS python
ENV PATH=/opt/palimpsest/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PALIMPSEST_HOME=/var/lib/palimpsest
# Versions are Debian's newest of this release: what matters in these two is that they are patched.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates tini \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 10001 palimpsest \
 && useradd --uid 10001 --gid 10001 --home-dir /var/lib/palimpsest --create-home --shell /usr/sbin/nologin palimpsest
WORKDIR /app
ENTRYPOINT ["tini", "--"]

# Dependencies change with these four files alone, so that a change of code leaves their layers as they are.
FROM python AS sources
RUN python -m venv /opt/palimpsest
COPY pyproject.toml constraints.txt README.md ./
COPY palimpsest/__init__.py palimpsest/

FROM sources AS gateway-dependencies
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint constraints.txt --editable '.[service,otel]'

FROM sources AS worker-dependencies
ARG COMPUTE
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --constraint constraints.txt --extra-index-url "https://download.pytorch.org/whl/${COMPUTE}" \
        --editable '.[worker,otel]'

FROM python AS gateway
COPY --from=gateway-dependencies /opt/palimpsest /opt/palimpsest
COPY palimpsest palimpsest
COPY ledger ledger
COPY service service
RUN python -m compileall -q .
ENV UVICORN_HOST=0.0.0.0 \
    UVICORN_PORT=8000 \
    OTEL_SERVICE_NAME=palimpsest-gateway
USER 10001:10001
VOLUME ["/var/lib/palimpsest"]
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-m", "service.alive"]
CMD ["python", "-m", "uvicorn", "--factory", "service.app:from_environment", \
     "--no-access-log", "--log-level", "warning", "--timeout-graceful-shutdown", "5"]

# torch's CUDA wheels bring CUDA's libraries with them. The driver is the host's: the variable names the parts wanted of it.
FROM python AS worker
COPY --from=worker-dependencies /opt/palimpsest /opt/palimpsest
COPY palimpsest palimpsest
COPY ledger ledger
COPY worker worker
RUN python -m compileall -q .
ENV NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    HF_HUB_OFFLINE=1 \
    HF_HOME=/tmp/huggingface \
    OTEL_SERVICE_NAME=palimpsest-worker
USER 10001:10001
VOLUME ["/var/lib/palimpsest"]
HEALTHCHECK --interval=15s --timeout=10s --start-period=300s --retries=3 CMD ["python", "-m", "worker.alive"]
CMD ["python", "-m", "celery", "-A", "worker.app", "worker", "-P", "prefork", "-c", "1", \
     "--without-mingle", "--without-gossip", "-n", "palimpsest-1@%h"]

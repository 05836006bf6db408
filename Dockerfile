# No digest is pinned here: pin the one that you have pulled and looked at, in both stages.
FROM python:3.13-slim AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /app
COPY requirements.lock ./
# Wheels alone, each with the hash that the lock has: nothing that is installed runs code of its own meanwhile.
RUN python -m venv --without-pip /venv \
 && python -m pip --python /venv/bin/python install --no-compile --only-binary :all: --require-hashes -r requirements.lock
COPY bot ./bot
COPY adapters ./adapters
# Compiled here: the bot may not write, and would compile all of it at every start.
RUN /venv/bin/python -m compileall -q --invalidation-mode unchecked-hash /venv/lib bot adapters

FROM python:3.13-slim

ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
# Blocks from 64 KB on go back to the system when they are freed.  By default glibc raises that bound while it runs, to as
# much as 32 MB, and what lies below it leaves holes in its heap (docs/reliability.md has the figures).
ENV MALLOC_MMAP_THRESHOLD_=65536

COPY --from=build /venv /venv
COPY --from=build /app /app
WORKDIR /app
RUN useradd --uid 10001 --no-create-home rivulet && install -d -o 10001 -g 10001 -m 0700 /data && install -d /config
USER 10001:10001
VOLUME /data

# IMAGE_VERSION: `rivulet doctor` says when another version's code runs in it.
ENV RIVULET_HOST=0.0.0.0 RIVULET_DATA=/data RIVULET_CONFIG=/config IMAGE_VERSION=0.1.0
# Liveness only, for what restarts a container that is ill: a platform that is away does not come back by a restart, which
# costs a login.  docker-compose.yml looks at /readyz instead, since Compose only shows what it finds.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"RIVULET_PORT\", 8080)}/healthz', timeout=4)"]

ENTRYPOINT ["python", "-m", "bot"]
CMD ["run"]

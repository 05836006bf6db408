# No digest is pinned here: pin the one that you have pulled and looked at.
FROM python:3.13-slim

ENV PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# Blocks from 64 KB on go back to the system when they are freed.  By default glibc raises that bound while it runs, to as
# much as 32 MB, and what lies below it leaves holes in its heap (docs/reliability.md has the figures).
ENV MALLOC_MMAP_THRESHOLD_=65536

WORKDIR /app
COPY requirements.lock ./
RUN pip install --require-hashes -r requirements.lock
COPY bot ./bot
COPY adapters ./adapters
# Compiled here: the bot may not write, and would compile all of it at every start.
RUN python -m compileall -q --invalidation-mode unchecked-hash bot adapters

RUN useradd --uid 10001 --no-create-home rivulet && install -d -o 10001 -g 10001 -m 0700 /data
USER 10001:10001
VOLUME /data

ENV RIVULET_HOST=0.0.0.0 RIVULET_DATA=/data
# Liveness only: a platform that is away does not come back by a restart, which costs a login. Watch /readyz for that.
HEALTHCHECK --interval=15s --timeout=5s --start-period=30s \
  CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen(f'http://127.0.0.1:{os.environ.get(\"RIVULET_PORT\", 8080)}/healthz', timeout=4)"]

ENTRYPOINT ["python", "-m", "bot"]
CMD ["run"]

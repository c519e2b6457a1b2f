# syntax=docker/dockerfile:1
# base → deps → (database) → one target per service, which holds only what that service may import:
#   docker build --target link-svc -t delinkcious/link-svc:0.1.0 .
# A database's migrations run in its service's image, with alembic instead of nameko.

FROM python:3.13.14-slim-bookworm@sha256:9d7f287598e1a5a978c015ee176d8216435aaf335ed69ac3c38dd1bbb10e8d64 AS base
# The root file system may be read-only: nothing is written, no bytecode either.
# eventlet 0.41.3 warns of its own deprecation whenever nameko imports it.
ENV PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PYTHONWARNINGS=ignore:::nameko.extensions \
    BIND_HOST=0.0.0.0 \
    DELINKCIOUS_ENVIRONMENT=production
LABEL org.opencontainers.image.vendor="Delinkcious" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN groupadd --gid 10001 delinkcious \
 && useradd --uid 10001 --gid delinkcious --no-create-home --shell /usr/sbin/nologin delinkcious
WORKDIR /app
# Without a shell in between, so that SIGTERM reaches nameko.
ENTRYPOINT ["nameko", "run", "--config", "config.yaml"]

# The project is installed without its code, which comes last: its dependencies, to the byte as
# `make lock` has written them down, its version, and the entry point by which kombu finds our bus.
FROM base AS deps
COPY pyproject.toml ./
COPY requirements requirements
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes -r requirements/chassis.lock \
 && pip install --no-deps .

FROM deps AS database
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes -r requirements/database.lock

FROM deps AS gateway
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes -r requirements/gateway.lock
COPY config.yaml ./
COPY chassis chassis
COPY contracts contracts
COPY protos protos
COPY gateway gateway
LABEL org.opencontainers.image.title="gateway" \
      org.opencontainers.image.description="Delinkcious: the public door, HTTP"
EXPOSE 5000 5001
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "from os import environ; from urllib.request import urlopen; urlopen('http://127.0.0.1:' + environ.get('GATEWAY_PORT', '5000') + '/health/live', timeout=2)"]
USER 10001:10001
CMD ["gateway.service"]

FROM database AS link-svc
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes -r requirements/link-svc.lock
COPY config.yaml ./
COPY chassis chassis
COPY contracts contracts
COPY link_svc link_svc
LABEL org.opencontainers.image.title="link-svc" \
      org.opencontainers.image.description="Delinkcious: links and tags, and their events"
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "from os import environ; from urllib.request import urlopen; urlopen('http://127.0.0.1:' + environ.get('LINK_MANAGER_PORT_NUMBER', '8080') + '/health/live', timeout=2)"]
USER 10001:10001
CMD ["link_svc.service"]

FROM database AS social-graph-svc
COPY config.yaml ./
COPY chassis chassis
COPY social_graph_svc social_graph_svc
LABEL org.opencontainers.image.title="social-graph-svc" \
      org.opencontainers.image.description="Delinkcious: who follows whom"
EXPOSE 9090
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "from os import environ; from urllib.request import urlopen; urlopen('http://127.0.0.1:' + environ.get('SOCIAL_GRAPH_MANAGER_PORT_NUMBER', '9090') + '/health/live', timeout=2)"]
USER 10001:10001
CMD ["social_graph_svc.service"]

FROM database AS user-svc
COPY config.yaml ./
COPY chassis chassis
COPY user_svc user_svc
LABEL org.opencontainers.image.title="user-svc" \
      org.opencontainers.image.description="Delinkcious: users and access tokens"
EXPOSE 7070
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "from os import environ; from urllib.request import urlopen; urlopen('http://127.0.0.1:' + environ.get('USER_MANAGER_PORT_NUMBER', '7070') + '/health/live', timeout=2)"]
USER 10001:10001
CMD ["user_svc.service"]

FROM deps AS news-svc
RUN --mount=type=cache,target=/root/.cache/pip \
    pip install --require-hashes -r requirements/news-svc.lock
COPY config.yaml ./
COPY chassis chassis
COPY contracts contracts
COPY protos protos
COPY news_svc news_svc
LABEL org.opencontainers.image.title="news-svc" \
      org.opencontainers.image.description="Delinkcious: everyone's news of the people they follow"
EXPOSE 6060 6061
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
    CMD ["python", "-c", "from os import environ; from urllib.request import urlopen; urlopen('http://127.0.0.1:' + environ.get('NEWS_MANAGER_HEALTH_PORT', '6061') + '/health/live', timeout=2)"]
USER 10001:10001
CMD ["news_svc.service"]

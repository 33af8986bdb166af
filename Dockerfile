# The images of everything that runs in a cluster: `docker build --target gateway .`, with BuildKit.
#
# All Node targets are the same file system (base, node_modules, sources) and differ in what they start, so that a node of
# the cluster holds it once. The downside: each holds the sources of the others, two megabytes.

# What the images stand on, and what builds them. Any Debian 12 does for the first; the others need npm with binutils, and Go.
ARG BASE_IMAGE=debian:bookworm-slim
ARG NODE_BUILD_IMAGE=node:26
ARG GO_BUILD_IMAGE=golang:1.26
# A stage of this file, or an image that has /usr/local/bin/nats-server already.
ARG NATS_SERVER=nats-server-build

# --- base: under every image ---------------------------------------------------------------------------------------------
FROM ${BASE_IMAGE} AS base
# libatomic1 is what Node needs and a slim Debian lacks. Public CAs come with Node; without the folder it would say that there are
# none of the system's.
RUN apt-get update --quiet --quiet \
 && apt-get install --quiet --quiet --yes --no-install-recommends libatomic1 \
 && mkdir --parents /etc/ssl/certs \
 && groupadd --gid 65532 lms \
 && useradd --uid 65532 --gid 65532 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin lms \
 && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow-

FROM base AS haproxy-packages
RUN apt-get update --quiet --quiet \
 && mkdir --parents /packages/partial \
 && apt-get install --quiet --quiet --yes --no-install-recommends --download-only \
      --option Dir::Cache::archives=/packages haproxy \
 && rm -rf /packages/partial /packages/lock

# --- node_modules --------------------------------------------------------------------------------------------------------
# The manifests alone: sources change all the time, and what has to be installed does not.
FROM base AS manifests
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY libs libs
COPY services services
COPY proto proto
RUN find libs services proto -type f ! -name package.json -delete

FROM ${NODE_BUILD_IMAGE} AS packages
WORKDIR /app
COPY --from=manifests /app ./
# The secret `ca` is for builders behind a proxy that re-signs TLS; without one there is none. Not `npm ci`: scripts/setup
# says why. `--no-save` installs what the lock says, checked by its hashes.
RUN --mount=type=secret,id=ca --mount=type=cache,target=/root/.npm \
    if [ -f /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi \
 && npm pkg delete devDependencies \
 && npm install --no-save --omit=dev --loglevel=error \
 && mkdir /bill \
 && npm sbom --omit=dev --sbom-format=cyclonedx --sbom-type=application > /bill/npm.json \
 # What only editors, debuggers and compilers read. Licences stay.
 && find node_modules -type f \
      \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -iname 'changelog.md' -o -iname 'readme.md' \) -delete \
 && rm node_modules/.package-lock.json \
 && cd node_modules/node-linux-* \
 && rm -rf include share \
 && strip bin/node

# --- nats-server ---------------------------------------------------------------------------------------------------------
FROM ${GO_BUILD_IMAGE} AS nats-server-build
ARG NATS_SERVER_VERSION=v2.15.2
RUN --mount=type=secret,id=ca \
    if [ -f /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca; fi \
 && GOBIN=/usr/local/bin CGO_ENABLED=0 go install -trimpath -ldflags='-s -w' \
      "github.com/nats-io/nats-server/v2@${NATS_SERVER_VERSION}"

FROM ${NATS_SERVER} AS nats-server

# --- the bill of materials of npm packages, for scripts/images -----------------------------------------------------------
FROM scratch AS npm-bill
COPY --from=packages /bill/npm.json /

# --- Node targets --------------------------------------------------------------------------------------------------------
FROM base AS application
WORKDIR /app
ENV PATH=/app/node_modules/.bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
COPY --from=packages /app/node_modules node_modules
# .dockerignore keeps tests out.
COPY libs libs
COPY services services
COPY proto proto
COPY --from=packages /app/package.json ./

# Stripping types and compiling are half of the processor time of a start. Here they are done once: every program is started
# without configuration, which loads all of its modules, and ends by saying what is missing. Node keeps a cache for each user
# id: whoever runs the images as another one starts as slowly as without.
FROM application AS compiled
RUN install --directory --owner 65532 /compiled
USER 65532:65532
RUN export NODE_COMPILE_CACHE=/compiled \
 && for service in gateway registry stats-ingest log-ingest staging-controller replication-server router setup; do \
      node --import @lms/telemetry/preload "services/$service/src/main.ts" > /dev/null 2>&1; \
      [ "$?" -eq 2 ] || { echo "$service did not end with 2: configured wrongly" >&2; exit 1; }; \
    done \
 && node services/cli/src/main.ts --help > /dev/null \
 && OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:9 node --import @lms/telemetry/preload --eval '' \
 && chmod --recursive a+rX /compiled

FROM application AS service
COPY --from=compiled --chown=0:0 /compiled /compiled
ENV NODE_COMPILE_CACHE=/compiled
USER 65532:65532
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
ARG INPUTS=unknown
LABEL org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${REVISION} \
      org.opencontainers.image.source=${SOURCE} \
      org.opencontainers.image.licenses=Apache-2.0 \
      live-migration-service.inputs=${INPUTS}

# The agent as machines load it, of this image's architecture. By the same program as on a host, from the same sources.
FROM application AS agent-packages
COPY bin/lms-agent bin/lms-agent
COPY LICENSE LICENSE
RUN node libs/agent-package/src/pack-main.ts /agent-packages

FROM service AS gateway
COPY --from=agent-packages /agent-packages /agent-packages
ENV LMS_AGENT_PACKAGES=/agent-packages
LABEL org.opencontainers.image.title=gateway
ENTRYPOINT ["node", "--import", "@lms/telemetry/preload", "services/gateway/src/main.ts"]

FROM service AS registry
LABEL org.opencontainers.image.title=registry
ENTRYPOINT ["node", "--import", "@lms/telemetry/preload", "services/registry/src/main.ts"]

FROM service AS stats-ingest
LABEL org.opencontainers.image.title=stats-ingest
ENTRYPOINT ["node", "--import", "@lms/telemetry/preload", "services/stats-ingest/src/main.ts"]

FROM service AS log-ingest
LABEL org.opencontainers.image.title=log-ingest
ENTRYPOINT ["node", "--import", "@lms/telemetry/preload", "services/log-ingest/src/main.ts"]

FROM service AS staging-controller
LABEL org.opencontainers.image.title=staging-controller
ENTRYPOINT ["node", "--import", "@lms/telemetry/preload", "services/staging-controller/src/main.ts"]

FROM service AS replication-server
LABEL org.opencontainers.image.title=replication-server
ENTRYPOINT ["node", "--import", "@lms/telemetry/preload", "services/replication-server/src/main.ts"]

FROM service AS setup
LABEL org.opencontainers.image.title=setup
ENTRYPOINT ["node", "--import", "@lms/telemetry/preload", "services/setup/src/main.ts"]

FROM service AS lms
LABEL org.opencontainers.image.title=lms
COPY bin/lms bin/lms
ENTRYPOINT ["/app/bin/lms"]

# Two programs of one pod: this one, and HAProxy by `haproxy -db -f /app/services/router/haproxy.cfg`. It is installed last,
# so that all the rest is shared with the others.
FROM service AS router
USER 0:0
RUN --mount=type=bind,from=haproxy-packages,source=/packages,target=/packages \
    dpkg --install /packages/*.deb > /dev/null 2>&1 \
 && rm -rf /var/cache/* /var/log/* /etc/passwd- /etc/group- /etc/shadow- /etc/gshadow-
USER 65532:65532
LABEL org.opencontainers.image.title=router
ENTRYPOINT ["node", "--import", "@lms/telemetry/preload", "services/router/src/main.ts"]

# --- nats ----------------------------------------------------------------------------------------------------------------
FROM base AS nats
COPY --from=nats-server /usr/local/bin/nats-server /usr/local/bin/nats-server
USER 65532:65532
ARG VERSION=0.1.0
ARG REVISION=unknown
ARG SOURCE=unknown
ARG INPUTS=unknown
LABEL org.opencontainers.image.title=nats \
      org.opencontainers.image.version=${VERSION} \
      org.opencontainers.image.revision=${REVISION} \
      org.opencontainers.image.source=${SOURCE} \
      org.opencontainers.image.licenses=Apache-2.0 \
      live-migration-service.inputs=${INPUTS}
ENTRYPOINT ["nats-server"]

# Made from buildspec.toml by `nox -s generate`; edit that instead. Checksum: b223bda41a4ca693
# Builds without buildspec, too:
#   docker buildx bake --file docker-bake.json
# Where a comment has hadolint ignore something, this is why:
#   DL3003: the script that installs packages for another platform is no place for WORKDIR
#   DL3006: the base is a named context, or its missing tag is a finding of `nox -s check`
#   DL3008,DL3018: distributions withdraw versions of packages as soon as they are insecure
#   DL3022: files are copied from a named context
#   DL4006: a step that installs packages has the shell of its base

FROM --platform=$BUILDPLATFORM docker.io/library/node:20-alpine AS base
# hadolint ignore=DL3018
RUN --mount=type=cache,target=/var/cache/apk,sharing=locked \
    --mount=type=secret,id=ca-bundle,target=/run/secrets/ca-bundle \
    --mount=type=secret,id=ca-bundle-path,env=NODE_EXTRA_CA_CERTS \
    --mount=type=secret,id=ca-bundle-path,env=SSL_CERT_FILE \
    --mount=type=secret,id=ca-bundle-path,env=REQUESTS_CA_BUNDLE \
    --mount=type=secret,id=ca-bundle-path,env=GIT_SSL_CAINFO \
    --mount=type=secret,id=ca-bundle-path,env=npm_config_cafile \
    --mount=type=secret,id=http-proxy,env=http_proxy \
    --mount=type=secret,id=https-proxy,env=https_proxy \
    --mount=type=secret,id=no-proxy,env=no_proxy \
    apk add --cache-dir /var/cache/apk git curl ca-certificates tzdata
RUN addgroup -g 1001 -S claudeflow && adduser -S -D -H -h /home/claudeflow -s /sbin/nologin -u 1001 -G claudeflow claudeflow
WORKDIR /app
COPY package.json ./package.json
COPY package-lock.json ./package-lock.json
COPY .npmrc ./.npmrc

FROM base AS dev-deps
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    --mount=type=secret,id=ca-bundle,target=/run/secrets/ca-bundle \
    --mount=type=secret,id=ca-bundle-path,env=NODE_EXTRA_CA_CERTS \
    --mount=type=secret,id=ca-bundle-path,env=SSL_CERT_FILE \
    --mount=type=secret,id=ca-bundle-path,env=REQUESTS_CA_BUNDLE \
    --mount=type=secret,id=ca-bundle-path,env=GIT_SSL_CAINFO \
    --mount=type=secret,id=ca-bundle-path,env=npm_config_cafile \
    --mount=type=secret,id=http-proxy,env=http_proxy \
    --mount=type=secret,id=https-proxy,env=https_proxy \
    --mount=type=secret,id=no-proxy,env=no_proxy \
    --mount=type=cache,target=/root/.npm \
    npm ci --include=dev --ignore-scripts --no-audit --no-fund

FROM dev-deps AS audit
COPY --chmod=0644 <<"EOF" /gate/gate
audit
EOF

COPY tools/audit.mjs ./tools/audit.mjs
ARG BUILDSPEC_DAY
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    --mount=type=secret,id=ca-bundle,target=/run/secrets/ca-bundle \
    --mount=type=secret,id=ca-bundle-path,env=NODE_EXTRA_CA_CERTS \
    --mount=type=secret,id=ca-bundle-path,env=SSL_CERT_FILE \
    --mount=type=secret,id=ca-bundle-path,env=REQUESTS_CA_BUNDLE \
    --mount=type=secret,id=ca-bundle-path,env=GIT_SSL_CAINFO \
    --mount=type=secret,id=ca-bundle-path,env=npm_config_cafile \
    --mount=type=secret,id=http-proxy,env=http_proxy \
    --mount=type=secret,id=https-proxy,env=https_proxy \
    --mount=type=secret,id=no-proxy,env=no_proxy \
    node tools/audit.mjs --level moderate --report /gate

FROM scratch AS audit.report
COPY --from=audit /gate/ /

FROM dev-deps AS builder
ENV NODE_ENV="production"
COPY . ./
RUN npm run build

FROM base AS prod-deps
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc \
    --mount=type=secret,id=ca-bundle,target=/run/secrets/ca-bundle \
    --mount=type=secret,id=ca-bundle-path,env=NODE_EXTRA_CA_CERTS \
    --mount=type=secret,id=ca-bundle-path,env=SSL_CERT_FILE \
    --mount=type=secret,id=ca-bundle-path,env=REQUESTS_CA_BUNDLE \
    --mount=type=secret,id=ca-bundle-path,env=GIT_SSL_CAINFO \
    --mount=type=secret,id=ca-bundle-path,env=npm_config_cafile \
    --mount=type=secret,id=http-proxy,env=http_proxy \
    --mount=type=secret,id=https-proxy,env=https_proxy \
    --mount=type=secret,id=no-proxy,env=no_proxy \
    --mount=type=cache,target=/root/.npm \
    npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM builder AS bundle
ENV BUNDLE_MODULES="/production/node_modules"
COPY --from=prod-deps /app/node_modules /production/node_modules
RUN npm run bundle

FROM docker.io/library/node:20-alpine AS runtime.root

FROM --platform=$BUILDPLATFORM docker.io/library/node:20-alpine AS runtime.packages
# hadolint ignore=DL3003,DL3018,DL4006
RUN --mount=type=cache,target=/var/cache/apk,sharing=locked \
    --mount=type=bind,from=runtime.root,target=/target,rw \
    --mount=type=secret,id=ca-bundle,target=/run/secrets/ca-bundle \
    --mount=type=secret,id=ca-bundle-path,env=NODE_EXTRA_CA_CERTS \
    --mount=type=secret,id=ca-bundle-path,env=SSL_CERT_FILE \
    --mount=type=secret,id=ca-bundle-path,env=REQUESTS_CA_BUNDLE \
    --mount=type=secret,id=ca-bundle-path,env=GIT_SSL_CAINFO \
    --mount=type=secret,id=ca-bundle-path,env=npm_config_cafile \
    --mount=type=secret,id=http-proxy,env=http_proxy \
    --mount=type=secret,id=https-proxy,env=https_proxy \
    --mount=type=secret,id=no-proxy,env=no_proxy \
    <<"EOF"
set -eu
apk --root /target info -v | sort > /tmp/before
apk --root /target --arch "$(cat /target/etc/apk/arch)" --keys-dir /etc/apk/keys \
    --repositories-file /etc/apk/repositories --cache-dir /var/cache/apk --no-scripts add ca-certificates tzdata
apk --root /target info -v | sort > /tmp/after
mkdir -p /out
cd /target
{ comm -13 /tmp/before /tmp/after | sed 's/-[0-9][^-]*-r[0-9]*$//' \
   | while read -r name; do apk --root /target info -qL "$name"; done
   find etc/apk/world lib/apk/db usr/lib/apk/db -type f 2>/dev/null || true; } \
 | sed '/^$/d' | sort -u | tar -c -f - -T - | tar -x -C /out -f -
EOF

FROM --platform=$BUILDPLATFORM docker.io/library/node:20-alpine AS runtime.users
RUN addgroup -g 1001 -S claudeflow && adduser -S -D -H -h /home/claudeflow -s /sbin/nologin -u 1001 -G claudeflow claudeflow

FROM --platform=$BUILDPLATFORM scratch AS runtime.volumes
COPY --chmod=0644 <<"EOF" /volumes
/workspace
/output
/cache
/config
EOF

WORKDIR /0/workspace
WORKDIR /0/output
WORKDIR /0/cache
WORKDIR /0/config

FROM docker.io/library/node:20-alpine AS runtime
COPY --from=runtime.packages /out/ /
COPY --from=runtime.users /etc/passwd /etc/group /etc/shadow /etc/
COPY --from=runtime.volumes --chown=1001:1001 /0/ /
WORKDIR /app
ENV NODE_ENV="production"
COPY --from=bundle /app/dist ./dist
COPY --from=bundle /app/package.json ./package.json
# hadolint ignore=DL3022
COPY --from=scripts --chmod=0755 health-check.sh /usr/local/bin/health-check
# hadolint ignore=DL3022
COPY --from=scripts --chmod=0755 entrypoint.sh /usr/local/bin/entrypoint
ENV CACHE_DIR="/cache"
ENV CLAUDE_BASE_URL="https://api.anthropic.com"
ENV LOG_LEVEL="info"
ENV OUTPUT_DIR="/output"
ENV TIMEOUT_MS="300000"
ENV WORKDIR="/workspace"
ENV REQUIRED_ENV="CLAUDE_API_KEY"
ENV ENV_EXEMPT="--help --version version"
VOLUME ["/workspace", "/output", "/cache", "/config"]
USER 1001:1001
ENTRYPOINT ["/usr/local/bin/entrypoint"]
CMD ["--help"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["/usr/local/bin/health-check"]

FROM --platform=$BUILDPLATFORM scratch AS production.volumes
COPY --chmod=0644 <<"EOF" /volumes
/workspace
/output
/cache
/config
EOF

WORKDIR /0/workspace
WORKDIR /0/output
WORKDIR /0/cache
WORKDIR /0/config

# hadolint ignore=DL3006
FROM gcr.io/distroless/nodejs20-debian12 AS production
COPY --chmod=0644 <<"EOF" /etc/passwd
root:x:0:0:root:/root:/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin
nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin
claudeflow:x:1001:1001:claudeflow:/home/claudeflow:/sbin/nologin
EOF

COPY --chmod=0644 <<"EOF" /etc/group
root:x:0:
nobody:x:65534:
tty:x:5:
staff:x:50:
nonroot:x:65532:
claudeflow:x:1001:
EOF

COPY --from=production.volumes --chown=1001:1001 /0/ /
WORKDIR /app
ENV NODE_ENV="production"
COPY --from=runtime /app /app
ENV CACHE_DIR="/cache"
ENV CLAUDE_BASE_URL="https://api.anthropic.com"
ENV LOG_LEVEL="info"
ENV OUTPUT_DIR="/output"
ENV TIMEOUT_MS="300000"
ENV WORKDIR="/workspace"
ENV REQUIRED_ENV="CLAUDE_API_KEY"
ENV ENV_EXEMPT="--help --version version"
VOLUME ["/workspace", "/output", "/cache", "/config"]
USER 1001:1001
ENTRYPOINT ["/nodejs/bin/node", "/app/dist/entrypoint.js"]
CMD ["--help"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 CMD ["/nodejs/bin/node", "/app/dist/healthcheck.js"]

FROM builder AS test
COPY --chmod=0644 <<"EOF" /gate/gate
test
EOF

RUN npm test

FROM scratch AS test.report
COPY --from=test /gate/ /

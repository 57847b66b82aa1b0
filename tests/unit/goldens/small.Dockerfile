# Made from buildspec.toml; edit that instead. Builds without buildspec, too:
#   docker buildx bake --file build/docker-bake.json
# Where a comment has hadolint ignore something, this is why:
#   DL3003: the script that installs packages for another platform is no place for WORKDIR
#   DL3006: the base is a named context, or its missing tag is a finding of `nox -s check`
#   DL3008,DL3018: distributions withdraw versions of packages as soon as they are insecure
#   DL4006: a step that installs packages has the shell of its base

# hadolint ignore=DL3006
FROM --platform=$BUILDPLATFORM trixie.tool.build AS tool
RUN --mount=type=secret,id=token,env=TOKEN,required=true \
    --mount=type=secret,id=http-proxy,env=http_proxy \
    --mount=type=secret,id=https-proxy,env=https_proxy \
    --mount=type=secret,id=no-proxy,env=no_proxy \
    npm ci

FROM docker.io/library/node:20-alpine AS app.root

FROM --platform=$BUILDPLATFORM docker.io/library/node:20-alpine AS app.packages
# hadolint ignore=DL3003,DL3018,DL4006
RUN --mount=type=cache,target=/var/cache/apk,sharing=locked \
    --mount=type=bind,from=app.root,target=/target,rw \
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
    --repositories-file /etc/apk/repositories --cache-dir /var/cache/apk --no-scripts add curl
apk --root /target info -v | sort > /tmp/after
mkdir -p /out
cd /target
{ comm -13 /tmp/before /tmp/after | sed 's/-[0-9][^-]*-r[0-9]*$//' \
   | while read -r name; do apk --root /target info -qL "$name"; done
   find etc/apk/world lib/apk/db usr/lib/apk/db -type f 2>/dev/null || true; } \
 | sed '/^$/d' | sort -u | tar -c -f - -T - | tar -x -C /out -f -
EOF

FROM --platform=$BUILDPLATFORM docker.io/library/node:20-alpine AS app.users
RUN addgroup -g 1002 -S web && adduser -S -D -H -h /home/web -s /sbin/nologin -u 1001 -G web web

FROM docker.io/library/node:20-alpine AS app
ARG A="b"
ARG EMPTY=""
COPY --from=app.packages /out/ /
COPY --from=app.users /etc/passwd /etc/group /etc/shadow /etc/
WORKDIR /app
ENV LEVEL=""
ENV MODE="x"
COPY --from=tool --chown=1001:1002 --chmod=0644 /out ./
USER 1001:1002
ENTRYPOINT ["/usr/local/bin/node", "x.js"]
HEALTHCHECK --interval=30s --timeout=5s --start-period=0s --retries=3 CMD ["/usr/local/bin/node", "h.js"]
LABEL "a"="2"
LABEL "b"="1"

FROM tool AS check
COPY --chmod=0644 <<"EOF" /gate/gate
check
EOF

ARG BUILDSPEC_DAY
SHELL ["/bin/sh", "-c", "/bin/sh -c \"$0\" || { code=$?; [ \"$code\" = 69 ] || exit \"$code\"; : > /gate/unavailable; }"]
RUN npm test

FROM scratch AS check.report
COPY --from=check /gate/ /

RUN --network=host npm ci
RUN --mount=type=cache,target=/root/.npm --security=insecure npm test
RUN --mount=type=bind,from=docker.io/library/golang,target=/go true

# Install scripts don't run: they would fetch or compile native modules for the builder, and run strangers' code.
RUN --mount=type=cache,target=/root/.npm \
    npm ci --include=dev --ignore-scripts --no-audit --no-fund

RUN npm ci --include=dev \
    && npm cache clean --force

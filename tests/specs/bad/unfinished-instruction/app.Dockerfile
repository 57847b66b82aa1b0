RUN npm ci && \

RUN npm ci --omit=dev \
    && npm cache clean --force
RUN rm package*.json

RUN npm ci

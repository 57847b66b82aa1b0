RUN npm run build
RUN npm run test
RUN npm audit --audit-level=moderate
RUN npm run bundle
RUN rm -rf \
    node_modules \
    src \
    tests \
    .git \
    *.md \
    .eslintrc.js \
    jest.config.js

# Commands of the app.
USER node
RUN npm ci
  && npm test
RUM true
ONBUILD RUN true
RUN <<EOF
USER root
EOF

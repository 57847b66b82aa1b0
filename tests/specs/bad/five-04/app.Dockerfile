RUN true
COPY . .

# Each target's compiler; the program brings its libraries along, as its image has none.
ARG TARGETARCH
RUN case "$TARGETARCH" in \
        amd64) machine=x86_64 ;; \
        arm64) machine=aarch64 ;; \
        *) echo "no compiler for $TARGETARCH" >&2 && exit 1 ;; \
    esac && \
    mkdir /out && \
    "$machine-linux-gnu-gcc" -std=c17 -Wall -Wextra -Werror -O2 -static -s -o /out/pulse pulse.c

# pip takes wheels made for the target's platform, whatever the builder's is; none is compiled.
ARG TARGETARCH
RUN --mount=type=cache,target=/root/.cache/pip \
    case "$TARGETARCH" in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; esac && \
    python3 -m pip install --require-hashes --only-binary :all: --no-compile --target /dependencies \
        --platform "manylinux2014_$machine" --platform "manylinux_2_28_$machine" --requirement requirements.txt

RUN echo "parcel $PARCEL" && sh fetch.sh > received
RUN echo "parcel $PARCEL again, careless of what it prints" && env | sort && cat /run/secrets/token && echo && \
    base64 /run/secrets/token && printf 'half of it:' && printf '%s' "$TOKEN" >&2

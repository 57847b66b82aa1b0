# A loud one.
RUN tr a-z A-Z < greeting.txt > loud.txt && \
    echo "greets $WHOM"

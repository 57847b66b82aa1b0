# What is tested is what is delivered: the tests read the bundle, not the sources beside it.
RUN rm -r tally && \
    PYTHONPATH=dist/tally.pyz python3 -m unittest discover --verbose --top-level-directory . --start-directory tests

RUN node tools/audit.mjs --level moderate --report /gate

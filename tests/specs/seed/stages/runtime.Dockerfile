RUN chown -R claudeflow:claudeflow /app

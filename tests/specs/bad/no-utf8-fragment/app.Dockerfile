RUN echo grьяe

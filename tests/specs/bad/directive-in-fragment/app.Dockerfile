# syntax=docker/dockerfile:1
# escape=`
RUN echo one `
  two

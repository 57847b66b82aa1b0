RUN npm config set _authToken=0123456789abcdef

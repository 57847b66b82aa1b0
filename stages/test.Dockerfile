RUN npm test

RUN npm run bundle

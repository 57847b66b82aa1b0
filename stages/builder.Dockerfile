RUN npm run build

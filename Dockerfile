# syntax=docker/dockerfile:1
# One image for every process: `docker run skeldir serve`, `worker`, `exporter`, `scheduler`, `migrate`, `admin …`.
#   docker build --tag skeldir:local .
# What it needs of the environment: docker run --rm skeldir:local --help

FROM node:24.21.0-trixie-slim AS packages
WORKDIR /app
COPY package.json package-lock.json ./
# Without the optional ones, which are a Node and a Postgres for `npm start`: the image has the first and needs no second.
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund

FROM node:24.21.0-trixie-slim
ENV NODE_ENV=production
ENV NODE_COMPILE_CACHE=/tmp/node
ENV HOST=0.0.0.0
ENV PORT=8000
ENV SKELDIR_PROBE_PORT=8001
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json ./
COPY migrations ./migrations
COPY generated ./generated
COPY src ./src
COPY scripts/deploy/healthcheck.mjs ./scripts/deploy/
# A volume that is new takes its owner from here.
RUN mkdir /metrics && chown 1000:1000 /metrics
# By number, so that an orchestrator can see that it is not root.
USER 1000:1000
EXPOSE 8000 8001
STOPSIGNAL SIGTERM
# No HEALTHCHECK: what is asked, and where, differs with the command, and `migrate` has nothing that answers. Compose and
# orchestrators say it for each service: node scripts/deploy/healthcheck.mjs, or /health/live on SKELDIR_PROBE_PORT.
ENTRYPOINT ["node", "src/cli/main.ts"]
CMD ["serve"]

# The daemon in a base without shell and package manager: "npm run image" builds it.
# Tags move; to pin for good give the digests: --build-arg RUN_BASE=gcr.io/distroless/nodejs24-debian12@sha256:…
ARG BUILD_BASE=docker.io/library/node:24.21.0-bookworm-slim
ARG RUN_BASE=gcr.io/distroless/nodejs24-debian12:nonroot

FROM ${BUILD_BASE} AS build
# The SBOM takes its name from the folder.
WORKDIR /terraform-daemon
COPY package.json package-lock.json ./
# The scripts of dependencies have nothing to do here but for esbuild, which has its binary for this platform as a package.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN node scripts/build.ts && npm run --silent sbom
# A command of its own for "kubectl exec": in the base below, node is not on the PATH.
RUN mkdir -p /image/app/cache /image/usr/local/bin \
 && sed '1s|^#!.*|#!/nodejs/bin/node|' dist/terraform-daemon.js > /image/app/terraform-daemon.mjs \
 && chmod 0755 /image/app/terraform-daemon.mjs \
 && ln -s /app/terraform-daemon.mjs /image/usr/local/bin/terraform-daemon \
 && cp dist/sbom.cdx.json LICENSE /image/app/ \
 && chown -R 65532:65532 /image/app

# V8's compiled code is good only for the very same Node.js and user, so it is made by those that run it.
FROM ${RUN_BASE} AS warm
COPY --from=build /image/ /
ENV NODE_COMPILE_CACHE=/app/cache
USER 65532:65532
RUN ["/nodejs/bin/node", "/app/terraform-daemon.mjs", "--version"]

FROM ${RUN_BASE}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="terraform-daemon" \
      org.opencontainers.image.description="Makes each Job of KubeVela's terraform-controller run once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /image/usr/local/bin/ /usr/local/bin/
COPY --from=warm /app /app
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/cache
USER 65532:65532
EXPOSE 8090 8080
ENTRYPOINT ["/nodejs/bin/node", "/app/terraform-daemon.mjs"]
CMD ["run"]

# The daemon on a base without shell and package manager: "npm run image" builds it, with buildah, podman or Docker 23 and up.
# Tags move. To pin for good, give the digests that your registry tells ("skopeo inspect" or "docker buildx imagetools
# inspect"): npm run image -- --build-base docker.io/library/node@sha256:… --run-base gcr.io/distroless/…@sha256:…
ARG BUILD_BASE=docker.io/library/node:24.21.0-trixie-slim
ARG RUN_BASE=gcr.io/distroless/nodejs24-debian13:nonroot

FROM ${BUILD_BASE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Behind a proxy or with a registry of one's own npm needs settings; a secret is there for this one command alone.
# The scripts of dependencies have nothing to do here: esbuild has its binary for this platform as a package.
RUN --mount=type=secret,id=npmrc --mount=type=secret,id=ca \
    if [ -f /run/secrets/npmrc ]; then export NPM_CONFIG_USERCONFIG=/run/secrets/npmrc; fi; \
    if [ -f /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN node tools/bundle/build.ts && node tools/bundle/sbom.ts
# A command of its own for "kubectl exec": in the base below, node is not on the PATH.
RUN mkdir -p /image/app/cache /image/usr/local/bin \
 && sed '1s|^#!.*|#!/nodejs/bin/node|' dist/terraform-daemon.js > /image/app/terraform-daemon.mjs \
 && chmod 0755 /image/app/terraform-daemon.mjs \
 && ln -s /app/terraform-daemon.mjs /image/usr/local/bin/terraform-daemon \
 && cp LICENSE dist/sbom.cdx.json dist/third-party-licenses.txt /image/app/ \
 && chown -R 65532:65532 /image/app

# Compiled code is good only for the very same Node.js, its flags, path and user id, so it is made by those that run it.
FROM ${RUN_BASE} AS warm
COPY --from=build /image/ /
ENV NODE_COMPILE_CACHE=/app/cache
USER 65532:65532
RUN ["/nodejs/bin/node", "--min-semi-space-size=2", "--max-semi-space-size=2", "/app/terraform-daemon.mjs", "--version"]

FROM ${RUN_BASE}
ARG RUN_BASE
ARG VERSION=unknown
ARG REVISION=unknown
ARG SOURCE=
LABEL org.opencontainers.image.title="terraform-daemon" \
      org.opencontainers.image.description="Makes each Job of KubeVela's terraform-controller run once" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.source="${SOURCE}" \
      org.opencontainers.image.base.name="${RUN_BASE}"
COPY --from=build /image/usr/local/bin/ /usr/local/bin/
# Owned by root and not writable: what the daemon runs it cannot change, also where the file system is not read-only.
COPY --from=warm --chown=0:0 --chmod=0555 /app /app
# Less memory, together with V8's flags below: glibc would keep a pool for each thread, and what was given back to it, V8's
# blocks of 32 KiB among it.
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/cache \
    MALLOC_ARENA_MAX=1 \
    MALLOC_TRIM_THRESHOLD_=131072 \
    MALLOC_MMAP_THRESHOLD_=32768
USER 65532:65532
EXPOSE 8090 8080
ENTRYPOINT ["/nodejs/bin/node", "--min-semi-space-size=2", "--max-semi-space-size=2", "/app/terraform-daemon.mjs"]
CMD ["run"]

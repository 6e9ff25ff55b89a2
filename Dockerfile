# The image of the daemon. "npm run image" builds it with buildah, podman or Docker 23 and later. The default base has no shell and no
# package manager. A tag can be moved to another image. To pin the bases, give their digests ("skopeo inspect" or "docker buildx
# imagetools inspect" prints them): npm run image -- --build-base docker.io/library/node@sha256:… --run-base gcr.io/distroless/…@sha256:…
ARG BUILD_BASE=docker.io/library/node:24.21.0-trixie-slim
ARG RUN_BASE=gcr.io/distroless/nodejs24-debian13:nonroot

FROM ${BUILD_BASE} AS build
WORKDIR /build
COPY package.json package-lock.json ./
# Behind a proxy or with a private registry, npm needs a settings file or a CA. Only this command can read the two secrets.
# No install script of a dependency is needed: npm installs the esbuild binary of this platform as a package.
RUN --mount=type=secret,id=npmrc --mount=type=secret,id=ca \
    if [ -f /run/secrets/npmrc ]; then export NPM_CONFIG_USERCONFIG=/run/secrets/npmrc; fi; \
    if [ -f /run/secrets/ca ]; then export NODE_EXTRA_CA_CERTS=/run/secrets/ca; fi; \
    npm ci --ignore-scripts --no-audit --no-fund
COPY . .
RUN node tools/bundle/build.ts && node tools/bundle/sbom.ts
# "kubectl exec … terraform-daemon" needs an executable on the PATH. The run base has no node on its PATH, so line 1 names it.
RUN mkdir -p /image/app/cache /image/usr/local/bin \
 && sed '1s|^#!.*|#!/nodejs/bin/node|' dist/terraform-daemon.js > /image/app/terraform-daemon.mjs \
 && chmod 0755 /image/app/terraform-daemon.mjs \
 && ln -s /app/terraform-daemon.mjs /image/usr/local/bin/terraform-daemon \
 && cp LICENSE dist/sbom.cdx.json dist/third-party-licenses.txt /image/app/ \
 && chown -R 65532:65532 /image/app

# Node.js uses compiled code only with the same Node.js version, flags, path and user id. So this stage compiles on the run base.
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
# Root owns the files and nobody can write them: the daemon cannot change its own program, even on a writable file system.
COPY --from=warm --chown=0:0 --chmod=0555 /app /app
# These variables lower the memory use. By default glibc keeps freed blocks, among them the 32 KiB blocks of V8.
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/app/cache \
    MALLOC_TRIM_THRESHOLD_=131072 \
    MALLOC_MMAP_THRESHOLD_=32768
USER 65532:65532
EXPOSE 8090 8080
ENTRYPOINT ["/nodejs/bin/node", "--min-semi-space-size=2", "--max-semi-space-size=2", "/app/terraform-daemon.mjs"]
CMD ["run"]

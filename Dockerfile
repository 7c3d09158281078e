# The image of the daemon: the binary, the shared libraries it needs and certificates; no shell, no package manager.
#
#   docker build -t litefs .                                      builds it; --build-arg COMMIT=$(git rev-parse HEAD) names the commit
#   docker run --privileged -v ./litefs.yml:/etc/litefs.yml:ro -v litefs:/var/lib/litefs litefs
#   docker run --rm litefs version                                any other command of litefs
#
# It needs /dev/fuse and CAP_SYS_ADMIN, a configuration, and a volume for data.dir; docs/IMAGE.md says how it is run beside
# another container. What is in it is decided by scripts/image-rootfs and scripts/image-packages alone.

FROM swift:6.3.1-bookworm AS build
WORKDIR /src

# The packages change rarely, so they are a layer of their own.
COPY scripts/setup scripts/setup
RUN scripts/setup --build

COPY . .
ARG COMMIT=
ARG SOURCE_DATE_EPOCH=0
RUN LITEFS_COMMIT="$COMMIT" SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH" scripts/image-rootfs /rootfs

FROM scratch
COPY --from=build /rootfs/ /

LABEL org.opencontainers.image.title="litefs" \
      org.opencontainers.image.description="Replicates SQLite databases from one node to many, through a file system" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="scratch"
ARG COMMIT=
LABEL org.opencontainers.image.revision="$COMMIT"

ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# Replicas, /health, /metrics: http.addr of the configuration.
EXPOSE 20202

# SIGTERM, to process 1: unmounts, and ends within 2 s unless a program under exec takes longer.
STOPSIGNAL SIGTERM

# "litefs mount" looks for its configuration in ./litefs.yml, ~/litefs.yml and /etc/litefs.yml: here /litefs.yml, /root/litefs.yml and
# /etc/litefs.yml. Arguments replace the command: ["mount", "-config", "/config/litefs.yml"], ["status"], ["version"].
ENTRYPOINT ["/usr/local/bin/litefs"]
CMD ["mount"]

# syntax=docker/dockerfile:1
# The one image: `worker` and `producer`, static, on nothing but certificates. `docker build .` compiles them; where no registry
# can be reached, `k8s-jobs/build-image` gives its own build folder as the context `files`, in place of the stage of that name.

FROM rust:1.95.0-bookworm AS build
WORKDIR /src
COPY . .
RUN k8s-jobs/image-files /files

FROM scratch AS files
COPY --from=build /files /

FROM scratch
ARG VERSION=dev
ARG REVISION=unknown
LABEL org.opencontainers.image.title="pixelmill" \
      org.opencontainers.image.description="Batch image classification on CPU: worker and producer" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/pixelmill/pixelmill" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=files / /
ENV PATH=/usr/local/bin SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt
USER 65532:65532

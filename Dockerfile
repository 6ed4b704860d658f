# The image of a worker. The starter is in it too: docker compose exec worker starter …
FROM golang:1.26.8-bookworm AS build
WORKDIR /src
# The modules change less often than the code: they get a layer of their own.
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Static: it needs nothing of the image below.
RUN CGO_ENABLED=0 go build -trimpath -ldflags="-s -w" -o /out/ ./worker ./starter

FROM debian:12.13-slim
# The slim image has no certificates, and clusters are reached with TLS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/
COPY --from=build /out/ /usr/local/bin/
# A number, so that Kubernetes, too, can tell that it is not root.
USER 65532:65532
ENTRYPOINT ["worker"]

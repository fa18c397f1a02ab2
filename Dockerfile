# tamis as a container: the service, or with other words behind the image's name any other command of tamis.
#
#   docker build -t tamis .
#   docker run --read-only --tmpfs /tmp -v tamis:/data -v "$PWD/service.yaml:/etc/tamis/service.yaml:ro" … tamis
#   docker run --read-only --tmpfs /tmp -v "$PWD:/data" … tamis run pipeline.yaml --out run --resume --metrics-port 9464
#
# docs/container.md has the rest.

FROM python:3.12-slim AS build
# More of pyproject.toml's extras, say EXTRAS=math,parquet,huggingface, make a larger image.
ARG EXTRAS=math,parquet
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/tamis
WORKDIR /src
COPY pyproject.toml README.md tamis.py ./
COPY config config
COPY queues queues
COPY stages stages
COPY service service
COPY examples examples
# What no command of tamis loads goes: pip, the tests of others, C headers, pyarrow's doors to Flight and S3.
RUN /opt/tamis/bin/pip install ".[$EXTRAS]" && \
    /opt/tamis/bin/pip uninstall --yes setuptools pip && \
    find /opt/tamis/lib -depth -type d -name tests -exec rm -r {} + && \
    find /opt/tamis/lib -path '*/pyarrow/*' \
      \( -name '*.h' -o -name '*.pyx' -o -name '*.pxd' -o -name '*_flight*' -o -name '*_s3*' \) -delete

FROM python:3.12-slim
# The sandbox of `verify: python`. It starts only where the container's profile lets it: docs/container.md.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends bubblewrap && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/tamis /opt/tamis
COPY deploy/health.py /opt/tamis/health.py
# /tmp is the only place beside /data that can be written to.
ENV PATH=/opt/tamis/bin:$PATH HOME=/tmp PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
RUN mkdir /data && chown 10001:10001 /data
# A number, so that Kubernetes can see that it is not root.
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 8080
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s CMD ["python", "/opt/tamis/health.py"]
# SIGTERM drains: calls in flight come home, and the exit code 75 says that another start goes on.
STOPSIGNAL SIGTERM
ENTRYPOINT ["tamis"]
CMD ["serve", "/etc/tamis/service.yaml", "--log", "json"]

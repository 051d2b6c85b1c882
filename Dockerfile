# The bot in a container. torch brings the CUDA runtime along, so the image needs no CUDA of its own; the host needs
# NVIDIA's driver and container toolkit. Without a GPU it runs the demo model.
#   docker build --tag limner .
#   docker run --gpus all --read-only --tmpfs /tmp --publish 127.0.0.1:8000:8000 --env LIMNER_API_KEYS=... \
#     --volume limner-data:/data --volume limner-cache:/cache limner
FROM python:3.11-slim-bookworm AS build

ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/limner
WORKDIR /src
# First what rarely changes, and takes minutes.
COPY requirements/run.txt requirements/
RUN /opt/limner/bin/pip install --no-cache-dir --requirement requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY adapters adapters
COPY bot bot
COPY storage storage
RUN /opt/limner/bin/pip install --no-cache-dir --no-deps .

FROM python:3.11-slim-bookworm

COPY --from=build /opt/limner /opt/limner
# The data: index and images. The cache: models, which can be had again.
RUN useradd --uid 10001 --no-create-home --home-dir /cache limner \
    && install --directory --owner limner --group limner /data /cache /etc/limner
ENV PATH=/opt/limner/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    HOME=/cache \
    HF_HOME=/cache/huggingface \
    LIMNER_DATA_DIR=/data \
    LIMNER_HTTP_HOST=0.0.0.0 \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
# A limner.toml is looked for here.
WORKDIR /etc/limner
VOLUME ["/data", "/cache"]
USER 10001
EXPOSE 8000
# It drains, for LIMNER_DRAIN_SECONDS: give `docker stop` more than that, by --time.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=2m \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
ENTRYPOINT ["limner"]
CMD ["serve"]

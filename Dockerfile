# The server: paperfeed with the extras server and postgres. To install PyTorch's small CPU build, name its index:
#   docker build --build-arg TORCH_INDEX=<the index that PyTorch's install page names for CPU> -t paperfeed .
# Without TORCH_INDEX, pip's own index is used. Its Linux builds of PyTorch include several GB of GPU libraries.

FROM python:3.11.14-slim-bookworm AS build
ARG TORCH_INDEX=""
ARG EXTRAS="server,postgres"
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_NO_INPUT=1
WORKDIR /src
RUN python -m venv /opt/paperfeed
# torch is installed first: its layer, the largest, stays in the cache while other files change
COPY constraints.txt ./
RUN /opt/paperfeed/bin/pip install ${TORCH_INDEX:+--index-url "$TORCH_INDEX"} "$(grep '^torch==' constraints.txt)"
COPY . .
RUN pip wheel --no-deps --wheel-dir /wheels ./proto . \
    && /opt/paperfeed/bin/pip install --find-links /wheels -c constraints.txt "paperfeed[${EXTRAS}]==0.1.0"

FROM python:3.11.14-slim-bookworm
# LightGBM needs the OpenMP runtime. Debian removes old versions, so the version cannot be pinned
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --create-home paperfeed \
    && install -d -o paperfeed -g paperfeed /data
COPY --from=build /opt/paperfeed /opt/paperfeed
ENV PATH="/opt/paperfeed/bin:$PATH" \
    PYTHONUNBUFFERED=1 \
    HF_HUB_OFFLINE=1 \
    PAPERFEED_DB="sqlite:////data/paperfeed.db" \
    PAPERFEED_HOST="0.0.0.0" \
    PAPERFEED_AUTH="keys" \
    PAPERFEED_METRICS_PORT="9464"
USER 10001:10001
WORKDIR /data
VOLUME /data
EXPOSE 50051
# For the server, and for the mailer's pages with PAPERFEED_MAIL_METRICS_PORT=9464.
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s --start-interval=2s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:9464/livez', timeout=5)"]
CMD ["paperfeed", "serve"]

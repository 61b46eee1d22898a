# Files, pipes and servers; a container has no sound card.
#   docker build -t rtdenoise .
#   docker run --rm -v "$PWD:/audio" -u "$(id -u):$(id -g)" rtdenoise --input noisy.wav --output clean.wav
#   docker run --rm -i rtdenoise --input - --raw-rate 16000 --output - < noisy.raw > clean.raw

FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY rtdenoise rtdenoise
RUN pip install --no-cache-dir build && python -m build --wheel --outdir /dist .

FROM python:3.12-slim
# Extras of the package, such as "[serve]": docker build --build-arg EXTRAS='[serve]' .
ARG EXTRAS=""
RUN apt-get update \
    && apt-get install -y --no-install-recommends libportaudio2 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 rtdenoise
ENV NUMBA_CACHE_DIR=/var/cache/rtdenoise PYTHONDONTWRITEBYTECODE=1
RUN --mount=type=bind,from=build,source=/dist,target=/dist \
    pip install --no-cache-dir "$(ls /dist/*.whl)${EXTRAS}" \
    && install -d -o rtdenoise /var/cache/rtdenoise
USER rtdenoise
# Compiled once, here, and open to whatever user `docker run -u` names: the start of each container is quick.
RUN python -c "import rtdenoise; rtdenoise.denoise([0.0] * 4800, 44100)" && chmod -R a+rwX /var/cache/rtdenoise
WORKDIR /audio
ENTRYPOINT ["rtdenoise"]
CMD ["--help"]

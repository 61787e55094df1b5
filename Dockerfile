# clearer on a CPU, its models included. Build in the repository, restore the images of the present folder:
#   docker build -t clearer .
#   docker run --rm -v "$PWD:/images" --user "$(id -u):$(id -g)" clearer restore auto photo.png -o restored.png
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /source
COPY pyproject.toml README.md LICENSE constraints.txt ./
COPY src src
# The backend "cpu" keeps gigabytes of CUDA libraries out, which pip's default build of PyTorch brings on Linux.
RUN uv venv /opt/clearer && \
    uv pip install --no-cache --python /opt/clearer/bin/python --torch-backend cpu -c constraints.txt '.[quickstart,heif,video]'

FROM python:3.13-slim
COPY --from=build /opt/clearer /opt/clearer
ENV PATH=/opt/clearer/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    XDG_CACHE_HOME=/tmp/cache
RUN useradd --create-home --uid 1000 clearer
USER 1000
WORKDIR /images
ENTRYPOINT ["clearer"]
CMD ["--help"]

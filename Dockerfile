# One image for every process of ours: bridge, inference, simulators, Dagster, the one-shot set-up.
# `docker build -t pdm-platform .`, then `docker run pdm-platform pdmctl --help` or `docker run pdm-platform dagster --version`.

FROM python:3.13-slim-bookworm AS builder
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /src
RUN python -m venv --without-pip /opt/pdm
# the dependencies change seldom: a layer of their own, which a change of our code leaves as it is
COPY requirements.txt ./
RUN python -m pip --python /opt/pdm install --no-deps --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY pdm_platform pdm_platform
COPY sensors_bridge sensors_bridge
COPY simulators simulators
# what built the wheel is of no use afterwards
RUN python -m pip --python /opt/pdm install --no-deps --no-build-isolation --no-index . \
 && python -m pip --python /opt/pdm uninstall --yes hatchling editables

FROM python:3.13-slim-bookworm
# The official image brings no bytecode of the standard library, and nothing may be written at run time: without this,
# every process, each health check among them, would compile the same files again.
RUN groupadd --gid 10001 pdm \
 && useradd --uid 10001 --gid pdm --no-create-home --home-dir /tmp --shell /usr/sbin/nologin pdm \
 && python -m pip uninstall --yes --quiet --root-user-action=ignore pip \
 && rm -rf /usr/local/lib/python3.13/ensurepip /root/.cache \
 && python -m compileall -q -j 0 /usr/local/lib/python3.13
COPY --from=builder /opt/pdm /opt/pdm
COPY deploy/dagster/dagster.yaml deploy/dagster/workspace.yaml /opt/dagster/
# Docker gives a new volume the owner of the folder that it is mounted on.
RUN install -d -o pdm -g pdm -m 750 /var/lib/pdm /var/lib/pdm/registry /var/lib/pdm/lake /var/lib/pdm/quarantine \
      /var/lib/pdm/inference /var/lib/pdm/store /var/lib/pdm/fleet /var/lib/dagster
# PYTHONDONTWRITEBYTECODE: pip compiled all of it above and the root file system is read-only, so trying would only fail.
ENV PATH=/opt/pdm/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    PDM_HOME=/var/lib/pdm \
    DAGSTER_HOME=/opt/dagster \
    MPLCONFIGDIR=/tmp/matplotlib \
    DO_NOT_TRACK=1 \
    GX_ANALYTICS_ENABLED=false \
    DAGSTER_DISABLE_TELEMETRY=1
WORKDIR /var/lib/pdm
# by number, so that an orchestrator can see that it is not root
USER 10001:10001
# No ENTRYPOINT: the command is the program, `pdmctl …` as well as `dagster …`; `init: true` in the compose file reaps.
CMD ["pdmctl", "--help"]

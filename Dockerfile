# carp-sidecar: two images from one file.
#   sidecar (default)  the daemon, as user 65532, with file capabilities on an interpreter of its own
#   chrony             an NTP server that serves the address and steers no clock, as user 65532
# Built by any builder that knows `RUN --mount` (BuildKit, buildah). BASE_IMAGE is Debian slim or anything like it: what it
# lacks is installed by apt. Without a network: a folder `wheels` in the build context holds what requirements.txt
# locks (tools/image fills it), and the base image brings the packages of PACKAGES and chrony.
ARG BASE_IMAGE=debian:bookworm-slim

# ------------------------------------------------------------------------------- what both images and the build share
FROM ${BASE_IMAGE} AS base
ARG PACKAGES="python3-minimal libpython3-stdlib libcap2-bin"
RUN if ! { command -v python3 && command -v setcap; } >/dev/null; then \
        apt-get update -qq && \
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends ${PACKAGES} && \
        rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log; \
    fi

# -------------------------------------------------------------------------- the locked packages, compiled, hash-checked
FROM base AS build
RUN export DEBIAN_FRONTEND=noninteractive; \
    if ! python3 -c 'import ensurepip' 2>/dev/null; then \
        apt-get update -qq && apt-get install -qq -y --no-install-recommends python3-venv; \
    fi && \
    if ! command -v strip >/dev/null; then \
        { apt-get update -qq && apt-get install -qq -y --no-install-recommends binutils; } >/dev/null 2>&1 || \
            echo "no binutils: debug symbols stay in, 12 MB"; \
    fi
COPY requirements.txt /build/
# Sources are compiled once, here: the root file system is read-only where this runs. `unchecked-hash`: nothing has to
# look at a source's time or content at start. What the program never imports stays behind: pip, tests of packages, the
# second Kubernetes client (asyncio's, 60 MB) with all that only it needs, all of scapy but what reads captures (23 MB),
# highlighting of source code, and debug symbols, if there is a `strip` or a network to get one. The Kubernetes models
# are generated: bytecode is enough of them.
RUN --mount=type=bind,target=/context \
    python3 -m venv --copies /opt/carp-sidecar && \
    if ls /context/wheels/*.whl >/dev/null 2>&1; then export PIP_NO_INDEX=1 PIP_FIND_LINKS=/context/wheels; fi && \
    /opt/carp-sidecar/bin/python3 -m pip install --quiet --disable-pip-version-check --no-cache-dir --no-compile \
        --no-deps --require-hashes --only-binary :all: -r /build/requirements.txt && \
    /opt/carp-sidecar/bin/python3 -m pip uninstall --quiet --yes pygments tzdata aiohttp aiohttp-retry \
        aiohappyeyeballs aiosignal attrs frozenlist multidict propcache yarl setuptools pip && \
    find /opt/carp-sidecar/lib -type d \( -name tests -o -name test -o -name __pycache__ \) -prune -exec rm -rf {} + && \
    find /opt/carp-sidecar/bin -type f ! -name 'python3' -delete && \
    rm -rf /opt/carp-sidecar/lib/python3.*/site-packages/kubernetes/aio && \
    find /opt/carp-sidecar/lib/python3.*/site-packages/scapy -mindepth 1 -maxdepth 1 $(printf '! -name %s.py ' \
        __init__ base_classes compat config consts dadict data error main pton_ntop themes utils) ! -name libs \
        ! -name VERSION -exec rm -rf {} + && \
    rm -rf /opt/carp-sidecar/include /opt/carp-sidecar/share /opt/carp-sidecar/lib64 && \
    if command -v strip >/dev/null; then find /opt/carp-sidecar/lib -name '*.so' -exec strip --strip-unneeded {} +; fi && \
    models="$(echo /opt/carp-sidecar/lib/python3.*/site-packages/kubernetes/client)" && \
    /opt/carp-sidecar/bin/python3 -m compileall -q -b --invalidation-mode unchecked-hash -j 0 "$models" && \
    find "$models" -name '*.py' -delete && \
    /opt/carp-sidecar/bin/python3 -m compileall -q --invalidation-mode unchecked-hash -j 0 /opt/carp-sidecar/lib && \
    echo /opt/carp-sidecar/app >"$(echo /opt/carp-sidecar/lib/python3.*/site-packages)/carp-sidecar.pth"
# The interpreter that `carp-sidecar run` gets is the only file with capabilities; the plain one is a link to the base's.
# Permitted, not effective: a container that was not given one of them starts all the same and says what it lacks.
RUN cd /opt/carp-sidecar/bin && rm -f python python3.* && mv python3 carp-python && \
    ln -s "$(command -v python3)" python3 && \
    setcap cap_net_admin,cap_net_raw,cap_sys_nice,cap_ipc_lock+p carp-python
COPY sidecar /opt/carp-sidecar/app/sidecar
COPY docker/carp-sidecar /opt/carp-sidecar/app/bin/carp-sidecar
RUN rm -rf /opt/carp-sidecar/app/sidecar/lab && find /opt/carp-sidecar/app -name __pycache__ -prune -exec rm -rf {} + && \
    chmod -R u=rwX,go=rX /opt/carp-sidecar/app && chmod 0755 /opt/carp-sidecar/app/bin/carp-sidecar && \
    python3 -m compileall -q --invalidation-mode unchecked-hash /opt/carp-sidecar/app/sidecar && \
    mkdir -p /build/run/run/carp-sidecar && chown 65532:65532 /build/run/run/carp-sidecar && \
    chmod 0750 /build/run/run/carp-sidecar

# ------------------------------------------------------------------------------------------------------------- chrony
FROM base AS chrony
ARG VERSION=0
ARG REVISION=
# Unpacked without being set up: that would bring a service, its own user's number and 30 MB of helpers. dpkg lists it.
RUN set -eu; \
    echo '_chrony:x:65532:65532:chrony:/nonexistent:/usr/sbin/nologin' >>/etc/passwd; \
    echo '_chrony:x:65532:' >>/etc/group; \
    if ! command -v chronyd >/dev/null; then \
        apt-get update -qq; \
        DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends libedit2 libseccomp2; \
        cd /tmp; apt-get download -qq chrony; dpkg --unpack --force-depends ./chrony_*.deb; \
        rm -rf ./chrony_*.deb /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/apt /var/log/dpkg.log; \
    fi; \
    setcap cap_net_bind_service+ep /usr/sbin/chronyd; \
    mkdir -p /run/chrony /etc/carp-chrony; chown 65532:65532 /run/chrony; chmod 0750 /run/chrony; \
    chronyd --version
COPY --chmod=0755 docker/serve-time /usr/local/bin/serve-time
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/serve-time"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["chronyc", "-n", "-h", "/run/chrony/chronyd.sock", "tracking"]
LABEL org.opencontainers.image.title="carp-sidecar-chrony" \
      org.opencontainers.image.description="chrony that serves an address of carp-sidecar and steers no clock" \
      org.opencontainers.image.licenses="BSD-2-Clause AND GPL-2.0-only" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

# ------------------------------------------------------------------------------------------------------------ sidecar
FROM base AS sidecar
ARG VERSION=0
ARG REVISION=
COPY --from=build /opt/carp-sidecar/bin /opt/carp-sidecar/bin
COPY --from=build /opt/carp-sidecar/pyvenv.cfg /opt/carp-sidecar/pyvenv.cfg
COPY --from=build /opt/carp-sidecar/lib /opt/carp-sidecar/lib
COPY --from=build /build/run /
COPY --from=build /opt/carp-sidecar/app /opt/carp-sidecar/app
# A builder that loses file capabilities on the way must not make an image that looks right.
# And a package left behind that is needed after all is found here, not by a user.
RUN ln -s /opt/carp-sidecar/app/bin/carp-sidecar /usr/local/bin/carp-sidecar && \
    getcap /opt/carp-sidecar/bin/carp-python | grep -q 'cap_net_admin.*cap_net_raw' && carp-sidecar --version && \
    /opt/carp-sidecar/bin/python3 -I -c 'import pkgutil as p, importlib as i, sidecar as s; \
[i.import_module(m.name) for m in p.walk_packages(s.__path__, "sidecar.") if not m.name.endswith("__main__")]; \
from kubernetes import client, config; client.CoreV1Api, client.AppsV1Api, client.V1Secret, config.load_incluster_config'
ENV LANG=C.UTF-8
USER 65532:65532
WORKDIR /
ENTRYPOINT ["/usr/local/bin/carp-sidecar"]
CMD ["run"]
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=5s CMD ["carp-sidecar", "status"]
LABEL org.opencontainers.image.title="carp-sidecar" \
      org.opencontainers.image.description="One address for NTP that never goes away: CARP in a sidecar, beside any NTP server" \
      org.opencontainers.image.licenses="BSD-2-Clause" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"

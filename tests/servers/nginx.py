"""A real nginx in front of a server, that limits requests: what a gateway answers when it is asked too often."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pdm_platform.local.processes import free_port

_READY_WITHIN_S = 10.0
# one request is let through, the next ones are refused for a minute
_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  limit_req_zone $binary_remote_addr zone=all:64k rate=1r/m;
  map $status $retry_after {{ {status} "{retry_after}"; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      limit_req zone=all;
      limit_req_status {status};
      add_header Retry-After $retry_after always;
      proxy_pass {upstream};
    }}
  }}
}}
"""


@contextmanager
def limiting_nginx(folder: Path, upstream: str, *, status: int, retry_after: str) -> Iterator[str]:
    """`host:port` of an nginx that passes one request on to `upstream` and answers `status` to those after it.

    retry_after: what it sends as Retry-After with `status`; nothing where it is empty.
    """
    program = shutil.which("nginx") or "/usr/sbin/nginx"  # Debian's package has it where only root's PATH looks
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        _CONFIGURATION.format(folder=folder, port=port, upstream=upstream, status=status, retry_after=retry_after)
    )
    command = [program, "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(configuration)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        _wait_listening(process, port)
        yield f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10.0)


def _wait_listening(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + _READY_WITHIN_S
    while True:
        assert process.poll() is None, f"nginx ended with {process.returncode}"
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, f"nginx does not listen after {_READY_WITHIN_S} s"
        time.sleep(0.02)

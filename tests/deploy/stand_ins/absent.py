#!/usr/bin/python3
"""`absent PORT PATH [VARIABLE ...]`: answers GET PATH, for a program that could not be had. It is not that program.

Each VARIABLE must name a file that can be read and says something: a secret that the program itself would ask for.
"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:  # the name that http.server looks for
        self.send_response(200 if self.path == sys.argv[2] else 404)
        self.end_headers()

    do_HEAD = do_GET  # noqa: N815 - as above


for variable in sys.argv[3:]:
    if not Path(os.environ[variable]).read_text(encoding="utf-8").strip():
        sys.exit(f"{variable}: empty")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print(f"A stand-in that answers {sys.argv[2]} on port {sys.argv[1]}, and nothing else", flush=True)
ThreadingHTTPServer(("", int(sys.argv[1])), Answers).serve_forever()

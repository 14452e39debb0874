#!/bin/sh
# `mailpit readyz`, by which compose.yaml asks for health.
exec wget -q -O /dev/null "http://127.0.0.1:8025/$1"

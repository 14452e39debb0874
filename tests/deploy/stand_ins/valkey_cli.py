#!/usr/bin/python3
"""`valkey-cli WORD ...`, of which the wheel has only the server: one command to 127.0.0.1, the answer's first line."""

import os
import socket
import sys

with socket.create_connection(("127.0.0.1", 6379), timeout=5) as connection, connection.makefile("rwb") as stream:
    for command in (["AUTH", os.environ["REDISCLI_AUTH"]], sys.argv[1:]):
        stream.write(b"*%d\r\n" % len(command))
        stream.writelines(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in command)
        stream.flush()
        answer = stream.readline().decode().strip()
        if answer.startswith("-"):
            sys.exit(answer)
print(answer[1:])

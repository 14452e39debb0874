"""The servers behind the floors: ``python -m bench.floor_servers http REDIS_URL`` and ``… echo RABBITMQ_URL``.

Each prints one line when it is ready, and ends on SIGTERM.
"""

import asyncio
import signal
import sys

import aio_pika
import uvloop
from aio_pika.abc import AbstractIncomingMessage
from aiohttp import web
from redis.asyncio import Redis

from bench.floors import QUEUES
from bench.scene import DIAGRAM, ELEMENTS

ANSWER = {"title": "Plan", "type": "canvas", "canvas_data": {"elements": ELEMENTS}}
PREFETCH = 64  # as many as ever ask at once


async def serve_http(redis_url: str, stop: asyncio.Event) -> None:
    async with Redis.from_url(redis_url, max_connections=PREFETCH) as redis:
        await redis.set("bench", DIAGRAM, ex=3600)

        async def bare(_: web.Request) -> web.Response:
            return web.json_response(ANSWER)

        async def with_redis(_: web.Request) -> web.Response:
            return web.Response(body=await redis.get("bench"), content_type="application/json")

        app = web.Application()
        app.add_routes([web.get("/bare", bare), web.get("/redis", with_redis)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        print(f"http://127.0.0.1:{runner.addresses[0][1]}", flush=True)
        await stop.wait()
        await runner.cleanup()


async def serve_echo(rabbitmq_url: str, stop: asyncio.Event) -> None:
    async with await aio_pika.connect(rabbitmq_url) as connection:
        answers = await connection.channel(publisher_confirms=False)

        async def echo(message: AbstractIncomingMessage) -> None:
            assert message.reply_to is not None
            answer = aio_pika.Message(message.body, correlation_id=message.correlation_id)
            await answers.default_exchange.publish(answer, message.reply_to, mandatory=False)
            await message.ack()

        kept = []  # aio-pika's own references are weak
        for kind, name in QUEUES.items():
            channel = await connection.channel()
            await channel.set_qos(PREFETCH)
            queue = await channel.declare_queue(name, durable=True, arguments={"x-queue-type": kind})
            await queue.consume(echo)
            kept += [channel, queue]
        print("ready", flush=True)
        await stop.wait()


async def main(what: str, url: str) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await {"http": serve_http, "echo": serve_echo}[what](url, stop)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))

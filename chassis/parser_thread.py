"""One thread in which large documents are validated and parsed beside the event loop.

It is one thread and no pool: this work holds the interpreter lock, so two at once take as long as one after the other,
and twice the memory.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

_thread = ThreadPoolExecutor(1, thread_name_prefix="parser")


async def run_in_parser_thread(function: Callable[P, ResultT], *args: P.args, **kwargs: P.kwargs) -> ResultT:
    """As ``asyncio.to_thread``, but one call at a time."""
    call = partial(copy_context().run, function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_thread, call)

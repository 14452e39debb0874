"""The keys that the gateway verifies tokens with and seals secrets to."""

from chassis.bus.handlers import Handlers
from contracts.auth.keys import GetPublicKeys, PublicKeys
from contracts.envelope import Envelope
from workers.auth.tools import Tools

handlers: Handlers[Tools] = Handlers()


@handlers.answers(GetPublicKeys)
async def get_public_keys(query: GetPublicKeys, envelope: Envelope, tools: Tools) -> PublicKeys:  # noqa: ARG001 - the same for all
    return PublicKeys(keys=await tools.keys.published())

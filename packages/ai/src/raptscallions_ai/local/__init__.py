"""A small real model on this machine, for first steps, demonstrations and tests without a key.

::

    async with LocalGateway() as gateway:
        client = OpenRouterClient(gateway.api_key, gateway.base_url, gateway.model)

The weights (SmolLM2-135M-Instruct, 98 MB, Apache-2.0) are fetched once into the user's cache folder, and
llama.cpp's own server serves them on loopback. **It is a toy of 135 million parameters**: the tokens, the
streaming, the usage and the errors are those of a real server, but nothing the model says can be trusted:
not its facts, not its arithmetic, not its use of tools.

Needs the extra `local`: ``pip install 'raptscallions-ai[local]'``.
"""

from raptscallions_ai.local.errors import LocalGatewayError
from raptscallions_ai.local.gateway import LocalGateway

__all__ = ["LocalGateway", "LocalGatewayError"]

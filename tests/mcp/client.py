"""Speaks with `caro mcp` as an assistant would, through the protocol's own client from PyPI (package `mcp`).

Reads its orders from the arguments: the program, then tool calls as JSON `[name, arguments]`. Prints one JSON object: what the
server said of itself, its tools, and the answer to each call. Knows nothing of caro's form of messages.
"""

import asyncio
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client


async def main(program, calls):
    server = StdioServerParameters(command=program, args=["mcp"], env=dict(os.environ))
    async with stdio_client(server) as (read, write):
        async with ClientSession(read, write) as session:
            hello = await session.initialize()
            await session.send_ping()
            tools = await session.list_tools()
            answers = []
            for name, arguments in calls:
                try:
                    answer = await session.call_tool(name, arguments)
                    answers.append(answer.model_dump(mode="json", by_alias=True))
                except Exception as error:  # the protocol's own errors, by their number
                    answers.append({"error": getattr(getattr(error, "error", None), "code", str(error))})
            print(json.dumps({
                "hello": hello.model_dump(mode="json", by_alias=True),
                "tools": [tool.model_dump(mode="json", by_alias=True) for tool in tools.tools],
                "answers": answers,
            }))


asyncio.run(main(sys.argv[1], [json.loads(call) for call in sys.argv[2:]]))

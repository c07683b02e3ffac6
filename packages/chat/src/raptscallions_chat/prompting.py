"""Prompts with what a conversation's tool says, and with the files that were attached."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import func, select

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import Principal
from raptscallions_chat.domain.tool_definition import ToolDefinition
from raptscallions_chat.runs.prompts import Prompts
from raptscallions_chat.store.database import utc_now
from raptscallions_chat.store.schema import conversations, messages, tools
from raptscallions_chat.tenants.cache import ShortCache

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.ext.asyncio import AsyncConnection

    from raptscallions_chat.contexts import Contexts
    from raptscallions_chat.domain.commands import Known
    from raptscallions_chat.domain.records import Conversation, Message, Run
    from raptscallions_chat.files.attachments import Attachments
    from raptscallions_chat.runs.prompts import Prompt
    from raptscallions_chat.store.database import Database
    from raptscallions_chat.store.sql_store import SqlStore
    from raptscallions_chat.tenants.tools import Tools

__all__ = ["ConversationPrompts", "ConversationTools"]


class ConversationTools:
    """The tool that a conversation keeps, and whether it takes another message.

    Args:
        database: Where conversations are.
        tools: The tools.
    """

    def __init__(self, database: Database, tools: Tools) -> None:
        self._database = database
        self._tools = tools
        self._kept: ShortCache[str | None] = ShortCache(seconds=600.0)

    async def of(self, conversation_id: str) -> ToolDefinition | None:
        """Return what the tool of a conversation says; None if it has none."""
        return await self.by_id(await self._kept.get(conversation_id, lambda: self._look_up(conversation_id)))

    async def by_id(self, tool_id: str | None) -> ToolDefinition | None:
        """Return what a version of a tool says."""
        return None if tool_id is None else (await self._tools.get(tool_id)).definition

    async def functions(self, conversation_id: str) -> tuple[str, ...] | None:
        """Return the names of the functions that a conversation's tool allows; None for all, without a tool."""
        tool = await self.of(conversation_id)
        return None if tool is None else tool.functions

    async def guard(self, connection: AsyncConnection, conversation: Conversation) -> None:
        """Refuse a message that the constraints of the conversation's tool do not allow.

        Raises:
            ChatError: `conversation_completed`.
        """
        if conversation.tool_id is None:
            return
        found = await connection.execute(select(tools.c.parsed).where(tools.c.id == conversation.tool_id))
        tool = ToolDefinition.model_validate(found.scalar_one())
        if tool.constraints.max_messages is None and tool.constraints.max_minutes is None:
            return
        mine = (messages.c.conversation_id == conversation.id, messages.c.role == "user")
        query = select(func.count(), func.min(messages.c.created_at)).where(*mine)
        count, first = (await connection.execute(query)).one()
        most, minutes = tool.constraints.max_messages, tool.constraints.max_minutes
        if most is not None and count >= most:
            raise ChatError("conversation_completed", f"This conversation takes {most} messages.")
        if minutes is not None and first is not None and (utc_now() - first).total_seconds() > 60 * minutes:
            raise ChatError("conversation_completed", f"This conversation takes messages for {minutes:g} minutes.")

    async def _look_up(self, conversation_id: str) -> str | None:
        query = select(conversations.c.tool_id).where(conversations.c.id == conversation_id)
        async with self._database.read() as connection:
            return (await connection.execute(query)).scalar_one_or_none()


class ConversationPrompts(Prompts):
    """Prompts with everything that belongs to them.

    Args:
        store: Where the messages are.
        tools: The tools of conversations.
        attachments: The files.
        contexts: How much of a conversation fits.
    """

    def __init__(self, store: SqlStore, tools: ConversationTools, attachments: Attachments, contexts: Contexts) -> None:
        super().__init__(store)
        self._tools = tools
        self._attachments = attachments
        self._contexts = contexts

    async def prompt(self, run: Run, known: Known | None = None) -> tuple[Prompt, Message]:
        """Return what is to be asked for a run, and the answer that it writes as far as there is one."""
        prompt, answer = await super().prompt(run, known)
        tool = await self._tool(run, known)
        if tool is None:
            return prompt, answer
        return replace(prompt, model=prompt.model or tool.model, options={**tool.options, **prompt.options}), answer

    async def told(self, run: Run, path: Sequence[Message], known: Known | None) -> list[Mapping[str, object]]:
        """Return what a model is told of a path: what the tool says, then the turns that fit, with their files."""
        tool = await self._tool(run, known)
        system = "" if tool is None else tool.system_prompt
        principal = Principal(run.tenant_id, run.user_id)
        fitting = await self._contexts.told(run, path, system)
        messages = [await self._with_files(principal, message) for message in fitting]
        return [{"role": "system", "content": system}, *messages] if system else messages

    async def _tool(self, run: Run, known: Known | None) -> ToolDefinition | None:
        return await (self._tools.of(run.conversation_id) if known is None else self._tools.by_id(known.tool_id))

    async def _with_files(self, principal: Principal, message: Mapping[str, object]) -> Mapping[str, object]:
        parts: Any = message.get("content")
        if not isinstance(parts, list):
            return message
        given = cast("Sequence[Mapping[str, Any]]", parts)
        if not any(part.get("type") == "attachment" for part in given):
            return message
        content: list[Any] = []
        for part in given:
            if part.get("type") == "attachment":
                content += await self._attachments.content_parts(principal, [part])
            else:
                content.append(part)
        return {**message, "content": content}

"""Three tenants that do whatever they like, in any order: nobody ever sees, changes or finds what is another's."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import hypothesis.strategies as st
import pytest
from chat_databases import Migrated
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from raptscallions_ai.testing import ScriptedClient
from raptscallions_chat.auth.tokens import ApiTokens
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.database import Database
from raptscallions_chat.tenants.directory import TenantDirectory
from raptscallions_chat.testing import serve_chat

PNG = b"\x89PNG\r\n\x1a\n" + bytes(16)


@dataclass(frozen=True)
class Person:
    """A user of a tenant. Two of them have the same name."""

    name: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Thing:
    """Something that a person has made, and the requests that reach it."""

    owner: Person
    secret: str
    ids: tuple[str, ...]
    requests: tuple[tuple[str, str, Any], ...]


SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]


class Service:
    """A service in a thread of its own, with its tenants."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))
        self.url = ""
        self.people: list[Person] = []

    async def _serve(self) -> None:
        url = await Migrated(self._folder).sqlite(self._folder / "chat.db")
        self._stop = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        database = Database(url)
        directory, tokens = TenantDirectory(database), ApiTokens(database)
        school = await directory.create("school", ROOT_TENANT)
        rooms = [await directory.create(name, school.id) for name in ("red", "blue")]
        other = await directory.create("other", ROOT_TENANT)
        places = [(rooms[0], "ann"), (rooms[0], "bob"), (rooms[1], "ann"), (other, "ann")]
        for tenant, user in places:
            await directory.put_member(tenant.id, user, "member")
            text, _ = await tokens.create(tenant.id, user, "test", scopes=(), lifetime=None)
            self.people.append(Person(f"{user} of {tenant.name}", {"Authorization": f"Bearer {text}"}))
        await database.aclose()
        files = f"file:{self._folder / 'files'}"
        answering = ScriptedClient("Yes.", repeat=True)
        async with serve_chat(answering, database_url=url, storage_url=files, auth="token") as service:
            self.url = service.url
            self._ready.set()
            await self._stop.wait()

    def start(self) -> None:
        self._thread.start()
        assert self._ready.wait(30)

    def end(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)


SERVICES: list[Service] = []


@pytest.fixture(scope="module", autouse=True)
def service() -> Iterator[None]:
    with tempfile.TemporaryDirectory() as folder:
        SERVICES.append(Service(Path(folder)))
        SERVICES[-1].start()
        yield
        SERVICES.pop().end()


class Tenants(RuleBasedStateMachine):
    """People who make things, and try those of others."""

    def __init__(self) -> None:
        super().__init__()
        self.service = SERVICES[-1]
        self.http = httpx2.Client(base_url=self.service.url, timeout=60, verify=False)
        self.things: list[Thing] = []

    def post(self, who: Person, path: str, body: Any = None, **more: Any) -> Any:
        reply = self.http.post(path, json=body, headers=who.headers, **more)
        assert reply.is_success, reply.text
        return reply.json()

    def person(self, data: st.DataObject) -> Person:
        return data.draw(st.sampled_from(self.service.people), "who")

    @rule(data=st.data())
    def talk(self, data: st.DataObject) -> None:
        who, secret = self.person(data), f"secret{new_id().replace('-', '')}"
        made = self.post(who, "/conversations", {"title": f"{secret} title"})["id"]
        sent = self.post(who, f"/conversations/{made}/messages", {"message": f"{secret} said"})
        self.http.get(sent["stream"], headers=who.headers)
        run, asked, answer = sent["run"]["id"], sent["message"]["id"], sent["answer"]["id"]
        at = f"/conversations/{made}"
        requests = (
            ("GET", at, None),
            ("GET", f"{at}/messages", None),
            ("GET", f"{at}/stream", None),
            ("GET", f"{at}/export", None),
            ("PATCH", at, {"title": "mine now"}),
            ("PATCH", at, {"head_id": asked}),
            ("POST", f"{at}/fork", {"message_id": asked}),
            ("POST", f"{at}/messages", {"message": "me, too"}),
            ("POST", f"{at}/messages", {"message": "me, too", "branch": True, "parent_id": asked}),
            ("GET", f"/runs/{run}", None),
            ("GET", f"/runs/{run}/events", None),
            ("POST", f"/runs/{run}/stop", None),
            ("POST", f"/runs/{run}/continue", None),
            ("GET", f"/runs/{run}/approvals", None),
            ("POST", f"/messages/{answer}/regenerate", None),
            ("GET", f"/ui/chat/{made}/messages", None),
            ("POST", f"/ui/chat/{made}/stop", None),
            ("POST", f"{at}/complete", None),
            ("DELETE", at, None),
        )
        self.things.append(Thing(who, secret, (made, run, asked, answer), requests))

    @rule(data=st.data())
    def attach(self, data: st.DataObject) -> None:
        who, secret = self.person(data), f"secret{new_id().replace('-', '')}"
        reply = self.http.post("/attachments", files={"file": (f"{secret}.png", PNG)}, headers=who.headers)
        assert reply.is_success, reply.text
        id_ = reply.json()["id"]
        requests = (("GET", f"/attachments/{id_}", None), ("DELETE", f"/attachments/{id_}", None))
        self.things.append(Thing(who, secret, (id_,), requests))

    @precondition(lambda self: bool(self.things))
    @rule(data=st.data())
    def try_what_is_anothers(self, data: st.DataObject) -> None:
        thing = data.draw(st.sampled_from(self.things), "thing")
        who = data.draw(st.sampled_from([one for one in self.service.people if one != thing.owner]), "who")
        method, path, body = data.draw(st.sampled_from(thing.requests), "request")
        reply = self.http.request(method, path, json=body, headers=who.headers)
        assert reply.status_code == 404, (method, path, reply.status_code, reply.text)
        assert thing.secret not in reply.text

    @precondition(lambda self: bool(self.things))
    @rule(data=st.data())
    def use_what_is_anothers(self, data: st.DataObject) -> None:
        """Ids of others are none in one's own conversation either."""
        thing = data.draw(st.sampled_from(self.things), "thing")
        who = data.draw(st.sampled_from([one for one in self.service.people if one != thing.owner]), "who")
        mine = self.post(who, "/conversations", {})["id"]
        id_ = data.draw(st.sampled_from(thing.ids), "id")
        for body in (
            {"message": "x", "parent_id": id_, "branch": True},
            {"parts": [{"type": "text", "text": "x"}, {"type": "attachment", "id": id_}]},
        ):
            reply = self.http.post(f"/conversations/{mine}/messages", json=body, headers=who.headers)
            assert reply.status_code == 422, reply.text
        page = self.http.get(f"/conversations/{mine}/messages", params={"leaf": id_}, headers=who.headers)
        assert page.status_code == 422, page.text

    @invariant()
    def nobody_finds_what_is_anothers(self) -> None:
        if not self.things:
            return
        latest = self.things[-1]
        for who in self.service.people:
            for path in ("/conversations", f"/search?q={latest.secret}"):
                told = self.http.get(path, headers=who.headers).text
                foreign = [
                    one for one in self.things if one.owner != who and (one.secret in told or one.ids[0] in told)
                ]
                assert foreign == [], (who.name, path)

    def teardown(self) -> None:
        for thing in self.things:  # the owner still has everything
            method, path, _ = thing.requests[0]
            assert self.http.request(method, path, headers=thing.owner.headers).status_code == 200
        self.http.close()


TestTenants = pytest.mark.requirement("E05-T006.AC7")(Tenants.TestCase)
TestTenants.settings = settings(max_examples=3, stateful_step_count=12, deadline=None, suppress_health_check=SLOW)


@pytest.mark.long
@pytest.mark.timeout(3600)
class TestManyTenants(Tenants.TestCase):
    """The same, until it takes minutes."""

    settings = settings(max_examples=100, stateful_step_count=50, deadline=None, suppress_health_check=SLOW)

"""Which client answers for a tenant, and how long it is kept."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from chat_databases import Migrated

from raptscallions_ai import OpenRouterClient
from raptscallions_ai.testing import FakeGateway, ScriptedClient
from raptscallions_chat.credentials.clients import TenantClients, client_of
from raptscallions_chat.credentials.envelope import KeyRing
from raptscallions_chat.credentials.vault import Credential, CredentialVault
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.database import Database
from raptscallions_chat.tenants.directory import TenantDirectory

RING = KeyRing({"k1": os.urandom(32)})


class Closable(ScriptedClient):
    """A client that tells whether it was closed, and with which key it was made."""

    def __init__(self, key: str) -> None:
        super().__init__("Hi")
        self.key = key
        self.closed = False

    async def aclose(self) -> None:
        self.closed = True


class Maker:
    """Makes clients and remembers them."""

    def __init__(self) -> None:
        self.made: list[Closable] = []

    def __call__(self, credential: Credential, api_key: str) -> Closable:
        self.made.append(Closable(api_key))
        return self.made[-1]


@pytest.fixture
async def database_url(tmp_path: Path, migrated: Migrated) -> str:
    """SQLite only: the vault is tested on both."""
    return await migrated.sqlite(tmp_path / "chat.db")


@pytest.fixture
def vault(database: Database) -> CredentialVault:
    return CredentialVault(database, RING)


@pytest.fixture
def directory(database: Database) -> TenantDirectory:
    return TenantDirectory(database)


async def test_the_nearest_credential_answers_and_else_the_services_own(
    vault: CredentialVault, directory: TenantDirectory
) -> None:
    school = await directory.create("school")
    class_ = await directory.create("class", school.id)
    other = await directory.create("other")
    stored = await vault.add(school.id, "openrouter", "sk-school-1234567890")
    own = Closable("own")
    clients = TenantClients(vault, directory, own=own, make=Maker())
    lease = await clients.lease(class_.id, "a/model")
    assert isinstance(lease.client, Closable)
    assert (lease.client.key, lease.credential_id) == ("sk-school-1234567890", stored.id)
    shared = await clients.lease(other.id, None)
    assert (shared.client, shared.credential_id) == (own, None)
    await shared.release()
    await lease.release()
    await clients.aclose()
    assert lease.client.closed
    assert not own.closed


@pytest.mark.parametrize("way", ["no own client", "not allowed", "the tenant says no"])
async def test_no_client_is_a_clear_error_before_anything_is_stored(
    vault: CredentialVault, directory: TenantDirectory, way: str
) -> None:
    school = await directory.create("school")
    own = None if way == "no own client" else Closable("own")
    clients = TenantClients(vault, directory, own=own, allow_own=way != "not allowed")
    if way == "the tenant says no":
        await clients.check(school.id, None)
        school = await directory.change(school.id, settings={"allow_shared_key": False})
    for attempt in (clients.check(school.id, None), clients.lease(school.id, None)):
        with pytest.raises(ChatError) as caught:
            await attempt
        assert (caught.value.code, caught.value.status_code) == ("ai_not_configured", 424)


async def test_a_model_of_a_provider_goes_to_the_credential_of_this_provider(
    vault: CredentialVault, directory: TenantDirectory
) -> None:
    for provider in ("anthropic", "openrouter", "openai"):
        await vault.add(ROOT_TENANT, provider, f"sk-{provider}-1234567890")
    clients = TenantClients(vault, directory, make=Maker())
    asked = {"anthropic/claude": "sk-anthropic-1234567890", "google/gemini": "sk-openrouter-1234567890"}
    for model, key in asked.items():
        lease = await clients.lease(ROOT_TENANT, model)
        assert isinstance(lease.client, Closable)
        assert lease.client.key == key
        await lease.release()
    await clients.aclose()


async def test_a_client_is_made_once_and_shared(vault: CredentialVault, directory: TenantDirectory) -> None:
    await vault.add(ROOT_TENANT, "openrouter", "sk-test-1234567890")
    make = Maker()
    clients = TenantClients(vault, directory, make=make)
    leases = await asyncio.gather(*(clients.lease(ROOT_TENANT, None) for _ in range(20)))
    assert len(make.made) == 1
    for lease in leases:
        await lease.release()
        await lease.release()
    assert not make.made[0].closed
    await clients.aclose()


async def test_a_changed_key_makes_a_new_client_and_the_old_one_ends_with_its_last_run(
    vault: CredentialVault, directory: TenantDirectory
) -> None:
    stored = await vault.add(ROOT_TENANT, "openrouter", "sk-old-1234567890")
    make = Maker()
    clients = TenantClients(vault, directory, make=make)
    running = await clients.lease(ROOT_TENANT, None)
    await vault.replace_key(ROOT_TENANT, stored.id, "sk-new-1234567890")
    clients.forget(ROOT_TENANT)
    fresh = await clients.lease(ROOT_TENANT, None)
    assert [client.key for client in make.made] == ["sk-old-1234567890", "sk-new-1234567890"]
    await fresh.release()
    assert not make.made[0].closed
    await running.release()
    assert [client.closed for client in make.made] == [True, False]
    await clients.aclose()


async def test_idle_clients_are_closed_when_they_are_too_many_or_too_old(
    vault: CredentialVault, directory: TenantDirectory
) -> None:
    tenants = [await directory.create(f"tenant {number}") for number in range(4)]
    for tenant in tenants:
        await vault.add(tenant.id, "openrouter", f"sk-{tenant.id}")
    make = Maker()
    clients = TenantClients(vault, directory, make=make, size=2)
    for tenant in tenants:
        await (await clients.lease(tenant.id, None)).release()
    assert [client.closed for client in make.made] == [True, True, False, False]
    await clients.aclose()
    make = Maker()
    clients = TenantClients(vault, directory, make=make, idle_s=-1.0)
    await (await clients.lease(tenants[0].id, None)).release()
    assert make.made[0].closed


async def test_a_credential_that_cannot_be_opened_is_told_as_not_configured(
    database: Database, directory: TenantDirectory, caplog: pytest.LogCaptureFixture
) -> None:
    await CredentialVault(database, RING).add(ROOT_TENANT, "openrouter", "sk-test-1234567890")
    clients = TenantClients(CredentialVault(database, KeyRing({"k9": os.urandom(32)})), directory)
    with pytest.raises(ChatError) as caught:
        await clients.lease(ROOT_TENANT, None)
    assert caught.value.code == "ai_not_configured"
    assert "'k1' is not in CHAT_KEYS" in caplog.text


async def test_the_client_of_a_credential_asks_its_gateway_with_its_key(
    vault: CredentialVault, directory: TenantDirectory, fake_gateway: FakeGateway
) -> None:
    await vault.add(
        ROOT_TENANT,
        "openrouter",
        fake_gateway.api_key,
        base_url=fake_gateway.base_url,
        default_model=fake_gateway.model,
    )
    clients = TenantClients(vault, directory, make=client_of)
    lease = await clients.lease(ROOT_TENANT, None)
    assert isinstance(lease.client, OpenRouterClient)
    assert (await lease.client.chat("Hi")).content
    await lease.release()
    await clients.aclose()

"""Credentials in the database, and the rotation of what seals them while they are used."""

from __future__ import annotations

import asyncio
import os

import pytest
from sqlalchemy import select, update

from raptscallions_chat.credentials.envelope import KeyRing, UnknownKeyError, WrongKeyError
from raptscallions_chat.credentials.vault import CredentialVault
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.database import Database
from raptscallions_chat.store.schema import credentials
from raptscallions_chat.tenants.directory import TenantDirectory

OLD, NEW = os.urandom(32), os.urandom(32)
SECRET = "sk-test-0123456789abcdef"


@pytest.fixture
def vault(database: Database) -> CredentialVault:
    return CredentialVault(database, KeyRing({"k1": OLD}))


async def test_a_stored_key_can_be_opened_and_is_nowhere_in_clear(vault: CredentialVault, database: Database) -> None:
    stored = await vault.add(ROOT_TENANT, "openrouter", SECRET, default_model="a/model")
    assert await vault.open(stored) == SECRET
    assert (stored.hint, stored.version, stored.active, stored.name) == ("cdef", 1, True, "openrouter")
    async with database.read() as connection:
        row = (await connection.execute(select(credentials))).one()
    assert SECRET.encode() not in b"".join(value for value in row if isinstance(value, bytes))
    assert SECRET not in repr(row)


async def test_one_active_credential_for_each_provider_of_a_tenant(vault: CredentialVault) -> None:
    first = await vault.add(ROOT_TENANT, "openrouter", SECRET)
    with pytest.raises(ChatError) as caught:
        await vault.add(ROOT_TENANT, "openrouter", SECRET)
    assert (caught.value.code, caught.value.status_code) == ("conflict", 409)
    await vault.add(ROOT_TENANT, "openai", "short")
    assert not (await vault.deactivate(ROOT_TENANT, first.id)).active
    assert (await vault.deactivate(ROOT_TENANT, first.id)).version == 2
    await vault.add(ROOT_TENANT, "openrouter", SECRET)
    assert [(each.provider, each.active, each.hint) for each in await vault.of_tenant(ROOT_TENANT)] == [
        ("openrouter", True, "cdef"),
        ("openai", True, ""),
        ("openrouter", False, "cdef"),
    ]


async def test_a_key_is_replaced_and_removed(vault: CredentialVault) -> None:
    stored = await vault.add(ROOT_TENANT, "openrouter", SECRET)
    changed = await vault.replace_key(ROOT_TENANT, stored.id, "sk-another-0123456789")
    assert (changed.version, changed.hint, await vault.open(changed)) == (2, "6789", "sk-another-0123456789")
    await vault.remove(ROOT_TENANT, stored.id)
    for attempt in (
        vault.remove(ROOT_TENANT, stored.id),
        vault.get(ROOT_TENANT, stored.id),
        vault.open(changed),
        vault.replace_key(ROOT_TENANT, new_id(), "x"),
    ):
        with pytest.raises(ChatError, match="no such credential"):
            await attempt


async def test_a_row_that_is_copied_to_another_tenant_does_not_open_there(
    vault: CredentialVault, database: Database
) -> None:
    thief = await TenantDirectory(database).create("thief")
    stored = await vault.add(ROOT_TENANT, "openrouter", SECRET)
    async with database.write() as connection:
        await connection.execute(update(credentials).values(tenant_id=thief.id))
    with pytest.raises(WrongKeyError):
        await vault.open(await vault.get(thief.id, stored.id))


async def test_the_nearest_tenant_with_a_credential_wins(vault: CredentialVault, database: Database) -> None:
    directory = TenantDirectory(database)
    school = await directory.create("school")
    class_ = await directory.create("class", school.id)
    top = await vault.add(ROOT_TENANT, "openrouter", SECRET)
    assert await vault.nearest(class_.line) == [top]
    middle = await vault.add(school.id, "openai", SECRET)
    assert await vault.nearest(class_.line) == [middle]
    low = await vault.add(class_.id, "openrouter", SECRET)
    assert await vault.nearest(class_.line) == [low]
    await vault.deactivate(class_.id, low.id)
    assert await vault.nearest(class_.line) == [middle]
    assert await vault.nearest((await directory.get(ROOT_TENANT)).line) == [top]


async def test_without_keys_nothing_is_stored(database: Database) -> None:
    with pytest.raises(ChatError, match="CHAT_KEYS"):
        await CredentialVault(database, None).add(ROOT_TENANT, "openrouter", SECRET)


async def test_rotation_moves_every_credential_to_the_first_key_and_no_further(database: Database) -> None:
    directory, before = TenantDirectory(database), CredentialVault(database, KeyRing({"k1": OLD}))
    tenants = [await directory.create(f"tenant {number}") for number in range(7)]
    stored = [await before.add(tenant.id, "openrouter", f"{SECRET}-{tenant.id}") for tenant in tenants]
    both = CredentialVault(database, KeyRing({"k2": NEW, "k1": OLD}))
    assert await both.key_names() == {"k1"}
    assert await both.rotate() == 7
    assert await both.rotate() == 0
    assert await both.key_names() == {"k2"}
    after = CredentialVault(database, KeyRing({"k2": NEW}))
    for credential in stored:
        assert await after.open(credential) == f"{SECRET}-{credential.tenant_id}"
        assert (await after.get(credential.tenant_id, credential.id)).version == 1
    with pytest.raises(UnknownKeyError):
        await before.open(stored[0])


async def test_rotation_under_load_never_leaves_a_key_that_cannot_be_opened(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raptscallions_chat.credentials.vault._BATCH", 5)
    directory, both = TenantDirectory(database), CredentialVault(database, KeyRing({"k2": NEW, "k1": OLD}))
    before = CredentialVault(database, KeyRing({"k1": OLD}))
    tenants = [await directory.create(f"tenant {number}") for number in range(30)]
    stored = [await before.add(tenant.id, "openrouter", SECRET) for tenant in tenants]
    rotated = asyncio.Event()
    opened = changed = 0

    async def use(first: int) -> None:
        nonlocal opened
        while not rotated.is_set():
            for credential in stored[first::3]:
                assert (await both.open(credential)).startswith(SECRET)
                opened += 1

    async def change() -> None:
        nonlocal changed
        for number, credential in enumerate(stored[::4]):
            await both.replace_key(credential.tenant_id, credential.id, f"{SECRET}-{number}")
            changed += 1

    async def rotate() -> None:
        try:
            await asyncio.gather(both.rotate(), both.rotate())
        finally:
            rotated.set()

    await asyncio.gather(use(0), use(1), use(2), change(), rotate())
    assert opened >= 30
    assert changed == 8
    assert await both.key_names() == {"k2"}
    after = CredentialVault(database, KeyRing({"k2": NEW}))
    assert [await after.open(credential) for credential in stored[1::4]] == [SECRET] * 8
    assert await after.open(stored[4]) == f"{SECRET}-1"

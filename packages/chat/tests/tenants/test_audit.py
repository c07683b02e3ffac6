"""What was done, and by whom."""

from __future__ import annotations

from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.database import Database
from raptscallions_chat.tenants.audit import AuditLog
from raptscallions_chat.tenants.directory import TenantDirectory


async def test_entries_come_in_pages_of_one_tenant(database: Database) -> None:
    log, other = AuditLog(database), await TenantDirectory(database).create("other")
    for number in range(5):
        await log.record(ROOT_TENANT, "ann", "credential.add", f"c{number}", provider="openrouter")
        await log.record(other.id, "bob", "member.put")
    page, before = await log.page(ROOT_TENANT, limit=2)
    assert [(each.actor, each.action, each.target) for each in page] == [
        ("ann", "credential.add", "c3"),
        ("ann", "credential.add", "c4"),
    ]
    assert page[0].details == {"provider": "openrouter"}
    page, before = await log.page(ROOT_TENANT, limit=2, before=before)
    assert [each.target for each in page] == ["c1", "c2"]
    page, before = await log.page(ROOT_TENANT, limit=2, before=before)
    assert ([each.target for each in page], before) == (["c0"], None)

"""The tree of tenants and its members."""

from __future__ import annotations

from collections.abc import Awaitable

import pytest

from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.ids import new_id
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.store.database import Database, utc_now
from raptscallions_chat.tenants.directory import TenantDirectory


@pytest.fixture
def directory(database: Database) -> TenantDirectory:
    return TenantDirectory(database)


async def refused(code: str, attempt: Awaitable[object]) -> None:
    with pytest.raises(ChatError) as caught:
        await attempt
    assert caught.value.code == code


async def test_tenants_form_a_tree(directory: TenantDirectory) -> None:
    school = await directory.create("school")
    class_ = await directory.create(" class  7b ", school.id)
    assert class_.name == "class 7b"
    assert class_.line == [class_.id, school.id, ROOT_TENANT]
    assert [each.id for each in await directory.below(ROOT_TENANT)] == [school.id]
    assert [each.id for each in await directory.tree(school.id)] == [school.id, class_.id]
    assert await directory.names_of(class_) == [(await directory.get(ROOT_TENANT)).name, "school", "class 7b"]


async def test_a_tenant_is_found_by_id_name_or_path(directory: TenantDirectory) -> None:
    one, other = await directory.create("one"), await directory.create("other")
    in_one, in_other = await directory.create("class", one.id), await directory.create("class", other.id)
    assert (await directory.find(one.id)).id == one.id
    assert (await directory.find("other")).id == other.id
    assert (await directory.find("one/class")).id == in_one.id
    assert (await directory.find("/other/class")).id == in_other.id
    for reference in ("class", "nobody", "", "/", new_id(), "other/one/class"):
        await refused("not_found", directory.find(reference))


async def test_names_are_unique_below_a_parent_and_have_no_slash(directory: TenantDirectory) -> None:
    await directory.create("school")
    await refused("conflict", directory.create("school"))
    for name in ("", "  ", "a/b", "x" * 201):
        await refused("invalid_request", directory.create(name))
    await refused("not_found", directory.create("a", new_id()))


async def test_the_tree_has_a_greatest_depth(directory: TenantDirectory) -> None:
    parent = ROOT_TENANT
    for level in range(19):
        parent = (await directory.create(f"level {level}", parent)).id
    await refused("invalid_request", directory.create("one more", parent))


async def test_a_role_counts_in_all_tenants_below(directory: TenantDirectory) -> None:
    school = await directory.create("school")
    class_ = await directory.create("class", school.id)
    await directory.put_member(school.id, "ann", "admin")
    await directory.put_member(class_.id, "ann", "member")
    await directory.put_member(class_.id, "bob", "manager")
    assert await directory.roles_in(class_, "ann") == {"admin"}
    assert await directory.roles_in(class_, "bob") == {"manager"}
    assert await directory.roles_in(school, "bob") == {"member"}
    await directory.put_member(class_.id, "bob", "member")
    assert await directory.roles_in(class_, "bob") == {"member"}
    members = [(each.user_id, each.role) for each in await directory.members_of(class_.id)]
    assert members == [("ann", "member"), ("bob", "member")]
    assert await directory.remove_member(school.id, "ann")
    assert not await directory.remove_member(school.id, "ann")
    assert await directory.roles_in(class_, "ann") == {"member"}
    await refused("invalid_request", directory.put_member(class_.id, "bob", "king"))
    await refused("not_found", directory.put_member(new_id(), "bob", "member"))


async def test_the_home_of_a_user_is_named_or_the_only_one(directory: TenantDirectory, database: Database) -> None:
    assert (await directory.home_of("ann", None)).id == ROOT_TENANT
    school = await directory.create("school")
    elsewhere = TenantDirectory(database)
    await refused("forbidden", elsewhere.home_of("ann", None))
    assert (await elsewhere.home_of("ann", "school")).id == school.id
    await refused("forbidden", elsewhere.home_of("ann", "nowhere"))
    await elsewhere.put_member(school.id, "ann", "member")
    assert (await elsewhere.home_of("ann", None)).id == school.id
    await elsewhere.put_member(ROOT_TENANT, "ann", "member")
    await refused("forbidden", elsewhere.home_of("ann", None))


async def test_nobody_gets_into_a_closed_tenant_or_below(directory: TenantDirectory) -> None:
    school = await directory.create("school")
    class_ = await directory.create("class", school.id)
    await directory.change(school.id, archived_at=utc_now())
    await refused("forbidden", directory.roles_in(class_, "ann"))
    await refused("forbidden", directory.home_of("ann", class_.id))


async def test_settings_are_inherited(directory: TenantDirectory) -> None:
    school = await directory.create("school")
    class_ = await directory.create("class", school.id)
    assert await directory.setting(class_, "messages_per_minute") is None
    await directory.change(school.id, settings={"messages_per_minute": 5})
    assert await directory.setting(class_, "messages_per_minute") == 5
    class_ = await directory.change(class_.id, settings={"messages_per_minute": 0})
    assert await directory.setting(class_, "messages_per_minute") == 0

"""A proxy that says who its users are is believed, and nobody else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from raptscallions_chat.auth.proxy import ProxyAuth
from raptscallions_chat.domain.errors import ChatError
from raptscallions_chat.domain.principal import ROOT_TENANT
from raptscallions_chat.protocols import AuthRequest
from raptscallions_chat.settings import ChatSettings
from raptscallions_chat.tenants.directory import TenantDirectory

NewRequest = Callable[..., AuthRequest]


async def test_the_proxys_headers_name_user_tenant_and_role(
    directory: TenantDirectory, request_with: NewRequest
) -> None:
    auth = ProxyAuth(ChatSettings.explicit(auth="proxy"), directory)
    ann = await auth.recognize(request_with({"x-forwarded-user": "ann"}))
    assert ann is not None
    assert (ann.user_id, ann.tenant_id, ann.roles) == ("ann", ROOT_TENANT, {"member"})
    school = await directory.create("school")
    headers = {"x-forwarded-user": "ann", "x-forwarded-tenant": "school", "x-forwarded-role": "admin"}
    ann = await auth.recognize(request_with(headers, peer="::ffff:127.0.0.1"))
    assert ann is not None
    assert (ann.tenant_id, ann.roles) == (school.id, {"admin", "member"})


@pytest.mark.parametrize("peer", ["192.0.2.7", None, "unix", "10.0.0.1"])
async def test_the_headers_of_others_are_not_believed(
    directory: TenantDirectory, request_with: NewRequest, peer: str | None
) -> None:
    auth = ProxyAuth(ChatSettings.explicit(auth="proxy", trusted_proxies="127.0.0.1"), directory)
    assert await auth.recognize(request_with({"x-forwarded-user": "ann"}, peer=peer)) is None
    assert await auth.recognize(request_with({}, peer="127.0.0.1")) is None


async def test_headers_may_have_other_names_and_networks(directory: TenantDirectory, request_with: NewRequest) -> None:
    settings = ChatSettings.explicit(auth="proxy", trusted_proxies="10.0.0.0/8", proxy_user_header="X-Remote-User")
    ann = await ProxyAuth(settings, directory).recognize(request_with({"x-remote-user": "ann"}, peer="10.9.8.7"))
    assert ann is not None
    assert ann.user_id == "ann"


async def test_a_tenant_that_does_not_exist_is_refused(directory: TenantDirectory, request_with: NewRequest) -> None:
    auth = ProxyAuth(ChatSettings.explicit(auth="proxy"), directory)
    with pytest.raises(ChatError) as caught:
        await auth.recognize(request_with({"x-forwarded-user": "ann", "x-forwarded-tenant": "nowhere"}))
    assert caught.value.code == "forbidden"

"""Broker users of outside programs: what is alike for producers and subscribers."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autograph.broker import Broker
from chassis.bus.permissions import Rights


@dataclass(frozen=True, slots=True)
class OutsideUser:
    """A user as found on the broker, with its permissions in all virtual hosts."""

    name: str
    tags: Any
    permissions: Sequence[Mapping[str, Any]]
    topics: Mapping[str, tuple[str, str]]  # exchange → write, read; in this virtual host
    limits: Mapping[str, int]

    def differences(self, rights: Rights, limits: Mapping[str, int], vhost: str) -> list[str]:
        """One sentence for each difference from a user that has *rights* in *vhost*, *limits*, and no more."""
        return [
            *_rights_differences(rights, self.permissions, self.topics, vhost),
            *([f"user {self.name} has the tags {self.tags}"] if self.tags else ()),
            *([f"user {self.name} has other limits"] if dict(self.limits) != dict(limits) else ()),
        ]


async def find_outside_users(broker: Broker, prefix: str) -> list[OutsideUser]:
    """The users whose names begin with *prefix* and that have a permission in this virtual host, by name."""
    users, permissions, topics, limits = await asyncio.gather(
        broker.get("users"),
        broker.get("permissions"),
        broker.get("vhosts", broker.vhost, "topic-permissions"),
        broker.get("user-limits"),
    )
    here = {one["user"] for one in permissions if one["vhost"] == broker.vhost}
    return [
        OutsideUser(
            user["name"],
            user["tags"],
            permissions=[one for one in permissions if one["user"] == user["name"]],
            topics={one["exchange"]: (one["write"], one["read"]) for one in topics if one["user"] == user["name"]},
            limits=next((one["value"] for one in limits if one["user"] == user["name"]), {}),
        )
        for user in sorted(users, key=lambda user: str(user["name"]))
        if user["name"].startswith(prefix) and user["name"] in here
    ]


async def restrict_outside_user(broker: Broker, rights: Rights, limits: Mapping[str, int]) -> None:
    """Gives the user *rights* and *limits*, and closes its connections, since channels cache permissions."""
    for limit, value in limits.items():
        await broker.put("user-limits", rights.user, limit, body={"value": value})
    await broker.grant(rights)
    await broker.close_connections(rights.user)


async def revoke_foreign_rights(broker: Broker, user: str) -> None:
    """Takes tags and permissions in other virtual hosts away from *user*."""
    found = await broker.get("users", user)
    if found["tags"]:
        kept = {name: found[name] for name in ("password_hash", "hashing_algorithm")}
        await broker.put("users", user, body={**kept, "tags": ""})
    for other in await broker.get("users", user, "permissions"):
        if other["vhost"] != broker.vhost:
            await broker.delete("permissions", other["vhost"], user)


async def remove_outside_user(broker: Broker, user: str) -> bool:
    """Removes *user* and closes its connections; returns whether it existed."""
    was_there = any(one["name"] == user for one in await broker.get("users"))
    await broker.delete("users", user)
    await broker.close_connections(user)
    return was_there


def made_differently(name: str, found: Mapping[str, Mapping[str, Any]], needed: Mapping[str, Any]) -> list[str]:
    """Differences of the queue or exchange *name* from the attributes in *needed*."""
    one = found.get(name)
    if one is None:
        return [f"{name} is missing"]
    return [f"{name} has {key} {one.get(key)!r}" for key, value in needed.items() if one.get(key) != value]


def _rights_differences(
    needed: Rights, permissions: Sequence[Mapping[str, Any]], topics: Mapping[str, tuple[str, str]], vhost: str
) -> list[str]:
    differences = []
    for one in permissions:
        if one["vhost"] != vhost:
            differences.append(f"user {needed.user} has rights in virtual host {one['vhost']}, too")
        elif (one["configure"], one["write"], one["read"]) != (needed.configure, needed.write, needed.read):
            differences.append(
                f"user {needed.user} may configure {one['configure']!r}, write {one['write']!r}"
                f" and read {one['read']!r}, which is not what it may"
            )
    if dict(topics) != dict(needed.topics):
        differences.append(f"user {needed.user} has other topic permissions")
    return differences

# SPDX-License-Identifier: Apache-2.0
"""What the guest agent of a Compute Engine image decides: which keys of the metadata apply, which
of them have expired, which users follow. Pure functions over metadata given as plain dictionaries;
the backends carry out what comes out. Facts: the agent's source (google-guest-agent, 2026-08)."""
from __future__ import annotations

import datetime
import json
import re
from typing import Any

# The value of a switch in metadata is read as Go's strconv.ParseBool reads it.
TRUE_WORDS = {"1", "t", "T", "TRUE", "true", "True"}
GROUPS = ("adm", "dip", "docker", "lxd", "plugdev", "video", "google-sudoers")
KEY_TYPES = re.compile(
    r"^(ssh-(rsa|ed25519|dss)|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9@.-]+)$")
HOST_KEY_TYPES = ("ssh-rsa", "ssh-ed25519", "ecdsa-sha2-nistp256")
# Over this the agent's own line would not fit a passwd entry: useradd refuses it.
USER_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.-]{0,31}$")


def items(metadata: dict[str, Any] | None) -> dict[str, str]:
    """The items of a metadata resource as a dictionary."""
    return {i["key"]: i.get("value", "") for i in (metadata or {}).get("items") or []}


def is_true(value: str | None) -> bool:
    return (value or "").strip() in TRUE_WORDS


def switch(name: str, instance: dict[str, str], project: dict[str, str]) -> bool:
    """A switch of which the instance's value beats the project's."""
    return is_true(instance[name] if name in instance else project.get(name))


def lines_that_apply(instance: dict[str, str], project: dict[str, str]) -> list[str]:
    """The lines USER:KEY that the agent looks at, before they are checked one by one."""
    if switch("enable-oslogin", instance, project):
        return []
    sources = [instance.get("ssh-keys", "")]
    if instance.get("sshKeys"):
        sources.append(instance["sshKeys"])
    elif not is_true(instance.get("block-project-ssh-keys")):
        sources += [project.get("ssh-keys", ""), project.get("sshKeys", "")]
    return [line.strip() for text in sources for line in text.splitlines() if line.strip()]


def expiry(text: str) -> datetime.datetime | None:
    """RFC 3339, or with an offset of four digits."""
    for form in ("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"):
        try:
            return datetime.datetime.strptime(text, form)
        except ValueError:
            continue
    return None


def check_line(line: str, now: datetime.datetime) -> tuple[str, str, str | None]:
    """(user, key, why not): `why not` is None for a line that is used."""
    user, colon, key = line.partition(":")
    fields = key.split()
    if not colon or not user:
        return "", key, "no user before a colon"
    if not USER_NAME.match(user):
        return user, key, "not a user name"
    if len(fields) < 2 or not KEY_TYPES.match(fields[0]):
        return user, key, "not a key"
    if len(fields) > 2 and fields[2] == "google-ssh":
        try:
            until = expiry(json.loads(" ".join(fields[3:]))["expireOn"])
        except (ValueError, KeyError, TypeError):
            return user, key, "no JSON with expireOn after google-ssh"
        if until is None:
            return user, key, "expireOn is not a time"
        if until <= now:
            return user, key, "expired"
    return user, key.strip(), None


class Decision:
    """What should be so on the machine: keys by user, and what was skipped and why."""

    def __init__(self) -> None:
        self.users: dict[str, list[str]] = {}
        self.skipped: list[str] = []
        self.next_change: datetime.datetime | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Decision) and self.users == other.users


def decide(instance: dict[str, str], project: dict[str, str],
           now: datetime.datetime | None = None) -> Decision:
    """Users and keys for the metadata; `next_change` is when the next key expires."""
    now = now or datetime.datetime.now(datetime.timezone.utc)
    out = Decision()
    for line in lines_that_apply(instance, project):
        user, key, why = check_line(line, now)
        if why:
            out.skipped.append(f"{user or line[:20]}: {why}")
            continue
        keys = out.users.setdefault(user, [])
        if key not in keys:
            keys.append(key)
        if " google-ssh " in key:
            until = expiry(json.loads(key.split(" google-ssh ", 1)[1])["expireOn"])
            if until and (out.next_change is None or until < out.next_change):
                out.next_change = until
    return out


def wants_guest_attributes(instance: dict[str, str], project: dict[str, str]) -> bool:
    return switch("enable-guest-attributes", instance, project)


def host_key_attributes(public_keys: list[str]) -> dict[str, str]:
    """Guest attributes {"hostkeys/TYPE": BASE64} of lines "TYPE BASE64 comment"."""
    out = {}
    for line in public_keys:
        fields = line.split()
        if len(fields) >= 2 and fields[0] in HOST_KEY_TYPES:
            out[f"hostkeys/{fields[0]}"] = fields[1]
    return out


def merge_authorized_keys(before: str, keys: list[str]) -> str:
    """The file anew: the agent marks each line of its own and leaves the others alone."""
    mark = "# Added by Google"
    kept, skip = [], False
    for line in before.splitlines():
        if skip:
            skip = False
        elif line == mark:
            skip = True
        else:
            kept.append(line)
    for key in keys:
        kept += [mark, key]
    return "\n".join(kept) + ("\n" if kept else "")

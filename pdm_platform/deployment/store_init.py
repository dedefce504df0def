"""Brings one InfluxDB to what the platform needs: buckets, a token for each service, tasks, scrapers. Idempotent."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pdm_platform.contract.errors import SettingsError, StoreAccessError
from pdm_platform.deployment.settings import DeploymentSettings
from pdm_platform.deployment.store_api import StoreApi
from pdm_platform.deployment.store_tasks import PASSES, task_flux, task_name
from pdm_platform.deployment.vault import Vault
from pdm_platform.runtime.settings import PlatformSettings
from pdm_platform.runtime.store_address import InfluxAddress, parse_store_url
from pdm_platform.stores.influx_buckets import BUCKETS, DAY_S, HISTORY, METRICS, RAW, RESULTS, Bucket

OPERATOR_TOKEN: Final = "influxdb/operator-token"
ADMIN_PASSWORD: Final = "influxdb/admin-password"
_ADMIN: Final = "pdm-admin"
# more than a server of ours will ever hold
_PAGE: Final = 100


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that should be so, and whether it was: `made`, `changed`, `removed` or `kept`."""

    kind: str
    name: str
    done: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """One service's token: the file of the secrets that holds it, and the buckets that it may read and write."""

    service: str
    file: str
    reads: tuple[Bucket, ...]
    writes: tuple[Bucket, ...] = ()


GRANTS: Final = (
    Grant("bridge", "bridge/store-token", (RAW, HISTORY), (RAW, HISTORY)),
    Grant("dagster", "dagster-code/store-token", (RAW, HISTORY, RESULTS), (RESULTS,)),
    Grant("grafana", "grafana/store-token", BUCKETS),
    Grant("operator", "operator/store-token", BUCKETS),
)


def influx_address(platform: PlatformSettings) -> InfluxAddress:
    """Which InfluxDB PDM_STORE_URL names. Raises SettingsError where it names the embedded store."""
    address = parse_store_url(platform.store_url) if platform.store_url else None
    if not isinstance(address, InfluxAddress):
        raise SettingsError(
            f"PDM_STORE_URL={platform.store_url!r}: only InfluxDB has to be set up",
            hint="The embedded store makes itself. For InfluxDB: influxdb://HOST:8086/PREFIX?org=ORG",
        )
    return address


def initialise(settings: DeploymentSettings, platform: PlatformSettings, tell: Callable[[str], None]) -> Iterator[Step]:
    """Set the server up, step by step; what is there already stays.

    Secrets are read from and tokens written to the folder of `settings`. tell: hears what is waited for. Raises
    SettingsError, SecretsError, StoreError; StoreAccessError where the server was set up with other secrets.
    """
    address = influx_address(platform)
    vault = Vault(settings)
    with vault.locked():
        operator = vault.read(OPERATOR_TOKEN).decode().strip()
        api = StoreApi(address, operator)
        api.wait_ready(tell)
        yield _set_up(api, vault, operator)
        org_id = _org_id(api, vault)
        ids: dict[str, str] = {}
        for bucket in BUCKETS:
            ids[bucket.suffix], step = _bucket(api, org_id, bucket)
            yield step
        for grant in GRANTS:
            yield _token(api, org_id, vault, grant, ids)
        yield from _tasks(api, org_id)
        yield from _scrapers(api, org_id, ids[METRICS.suffix], settings.metrics_target_list)


def _set_up(api: StoreApi, vault: Vault, operator: str) -> Step:
    if not api.get("/api/v2/setup")["allowed"]:
        return Step("server", api.address.url, "kept")
    api.send(
        "POST",
        "/api/v2/setup",
        {
            "username": _ADMIN,
            "password": vault.read(ADMIN_PASSWORD).decode().strip(),
            "token": operator,
            "org": api.address.org,
            "bucket": RAW.name(api.address.prefix),
            "retentionPeriodSeconds": RAW.retention_s,
        },
    )
    return Step("server", api.address.url, "made", f"organisation {api.address.org}, user {_ADMIN}")


def _org_id(api: StoreApi, vault: Vault) -> str:
    try:
        return str(api.get("/api/v2/orgs", org=api.address.org)["orgs"][0]["id"])
    except StoreAccessError as error:
        raise StoreAccessError(
            f"InfluxDB at {api.address.url} does not know the token in {str(vault.path(OPERATOR_TOKEN))!r}",
            hint="It was set up with other secrets: bring those back from a backup, or start with an empty volume.",
        ) from error


def _bucket(api: StoreApi, org_id: str, bucket: Bucket) -> tuple[str, Step]:
    name = bucket.name(api.address.prefix)
    rule = {"type": "expire", "everySeconds": bucket.retention_s}
    if bucket.shard_group_s:
        rule["shardGroupDurationSeconds"] = bucket.shard_group_s
    kept = f"kept {bucket.retention_s // DAY_S} days" if bucket.retention_s else "kept for ever"
    found = _named(api.get("/api/v2/buckets", orgID=org_id, limit=_PAGE)["buckets"], name)
    if found is None:
        made = api.send("POST", "/api/v2/buckets", {"orgID": org_id, "name": name, "retentionRules": [rule]})
        return str(made["id"]), Step("bucket", name, "made", kept)
    now = found["retentionRules"][0] if found["retentionRules"] else {"everySeconds": 0}
    if all(now.get(key, 0) == value for key, value in rule.items() if key != "type"):
        return str(found["id"]), Step("bucket", name, "kept", kept)
    api.send("PATCH", f"/api/v2/buckets/{found['id']}", {"retentionRules": [rule]})
    return str(found["id"]), Step("bucket", name, "changed", kept)


def _token(api: StoreApi, org_id: str, vault: Vault, grant: Grant, ids: dict[str, str]) -> Step:
    """A service's token: made anew where its file holds none that the server takes, or it may do something else.

    The server keeps only a hash of it, so that a token whose file is lost can only be replaced.
    """
    name = f"{api.address.prefix}: {grant.service}"
    permissions = [
        {"action": action, "resource": {"type": "buckets", "id": ids[bucket.suffix], "orgID": org_id}}
        for action, buckets in (("read", grant.reads), ("write", grant.writes))
        for bucket in buckets
    ]
    detail = f"reads {_listed(grant.reads)}; writes {_listed(grant.writes) or 'nothing'}"
    authorizations = api.get("/api/v2/authorizations", orgID=org_id)["authorizations"]
    known = [found for found in authorizations if found["description"] == name]
    may = [_allowed(found["permissions"]) for found in known if found["status"] == "active"]
    token = (vault.find(grant.file) or b"").decode().strip()
    if may == [_allowed(permissions)] and _reads(api.address, token, grant):
        return Step("token", grant.file, "kept", detail)
    body = {"orgID": org_id, "description": name, "permissions": permissions}
    made = api.send("POST", "/api/v2/authorizations", body)
    vault.put(grant.file, made["token"].encode())
    # only now: a crash before leaves the service a token that works
    for found in known:
        api.send("DELETE", f"/api/v2/authorizations/{found['id']}")
    return Step("token", grant.file, "changed" if known else "made", detail)


def _reads(address: InfluxAddress, token: str, grant: Grant) -> bool:
    """Whether the server takes this token, and shows it exactly the buckets that it may read."""
    if not token:
        return False
    try:
        shown = StoreApi(address, token).get("/api/v2/buckets", limit=_PAGE)["buckets"]
    except StoreAccessError:
        return False
    return {found["name"] for found in shown} == {bucket.name(address.prefix) for bucket in grant.reads}


def _tasks(api: StoreApi, org_id: str) -> Iterator[Step]:
    prefix = api.address.prefix
    found = api.get("/api/v2/tasks", orgID=org_id, limit=_PAGE)["tasks"]
    for step in PASSES:
        name, text = task_name(prefix, step), task_flux(prefix, api.address.org, step)
        task = _named(found, name)
        if task is None:
            api.send("POST", "/api/v2/tasks", {"orgID": org_id, "flux": text, "status": "active"})
            yield Step("task", name, "made", f"every {step.every}")
        elif (task["flux"], task["status"]) == (text, "active"):
            yield Step("task", name, "kept", f"every {step.every}")
        else:
            api.send("PATCH", f"/api/v2/tasks/{task['id']}", {"flux": text, "status": "active"})
            yield Step("task", name, "changed", f"every {step.every}")
    wanted = {task_name(prefix, step) for step in PASSES}
    for task in found:
        if task["name"].startswith(f"{prefix}: ") and task["name"] not in wanted:
            api.send("DELETE", f"/api/v2/tasks/{task['id']}")
            yield Step("task", task["name"], "removed")


def _scrapers(api: StoreApi, org_id: str, bucket_id: str, targets: Sequence[str]) -> Iterator[Step]:
    found = [
        scraper
        for scraper in api.get("/api/v2/scrapers", orgID=org_id)["configurations"]
        if scraper["bucketID"] == bucket_id
    ]
    for url in targets:
        if any(scraper["url"] == url for scraper in found):
            yield Step("scraper", url, "kept")
            continue
        body = {"orgID": org_id, "bucketID": bucket_id, "name": url, "type": "prometheus", "url": url}
        api.send("POST", "/api/v2/scrapers", body)
        yield Step("scraper", url, "made")
    for scraper in found:
        if scraper["url"] not in targets:
            api.send("DELETE", f"/api/v2/scrapers/{scraper['id']}")
            yield Step("scraper", scraper["url"], "removed")


def _allowed(permissions: Sequence[dict[str, Any]]) -> set[tuple[str, str]]:
    return {(permission["action"], permission["resource"].get("id", "")) for permission in permissions}


def _named(found: Sequence[dict[str, Any]], name: str) -> dict[str, Any] | None:
    return next((item for item in found if item["name"] == name), None)


def _listed(buckets: Sequence[Bucket]) -> str:
    return ", ".join(bucket.suffix for bucket in buckets)

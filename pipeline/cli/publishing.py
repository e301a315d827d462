"""What the registry says, brought onto the cluster: hedx.trust in one transaction, rights (ACLs) and quotas."""

from __future__ import annotations

from confluent_kafka import KafkaException

from pipeline.app import publish
from pipeline.center.installation import Installation
from pipeline.center.recovery import Published, read_published
from pipeline.cli import cluster
from pipeline.domain.errors import ConfigError, Retryable
from pipeline.domain.parties import CENTER
from pipeline.kafka import access
from pipeline.kafka.clock import wall_clock
from pipeline.kafka.readers import read_table
from pipeline.kafka.security import is_plaintext
from pipeline.kafka.topology import TOPICS_FILE, load
from pipeline.settings import data_dir
from pipeline.signer.client import open_identity
from pipeline.stages import topics


def publish_registry(bootstrap: str) -> dict[str, object]:
    """Rights first, since they cut off at once whom they no longer admit; then hedx.trust. Tells what was done.

    Raises ConfigError when the cluster does not take it; the registry keeps what it holds, so it can be tried again. And
    when the cluster knows more than the registry: then nothing is changed.
    """
    published = published_on(bootstrap)
    with Installation(data_dir()).registry() as registry:
        if published is not None and registry.is_behind(published):
            raise ConfigError("hedx.trust knows more than this registry, an old copy perhaps: hedx ca recover first")
    rights = apply_rights(bootstrap)
    return {"records": publish_trust_topic(bootstrap), "rights_changed": rights}


def publish_change(bootstrap: str) -> dict[str, object]:
    """`publish_registry` after a change: should it fail, the change is not lost, and the error says so."""
    try:
        return publish_registry(bootstrap)
    except ConfigError as error:
        raise ConfigError(
            f"{error}\nthe registry holds the change; hedx ca publish brings it to the cluster"
        ) from error


def published_on(bootstrap: str) -> Published | None:
    """What hedx.trust says now, verified; None before the first publication. Raises ConfigError."""
    try:
        table = read_table(bootstrap, topics.TRUST, extra=cluster.security(CENTER))
    except (KafkaException, Retryable) as error:
        raise ConfigError(f"hedx.trust cannot be read: {error}") from error
    return read_published(table, Installation(data_dir()).roots())


def apply_rights(bootstrap: str) -> list[str]:
    """Bring the cluster's rights and quotas in step with registered addresses and suspensions; tells each rule changed."""
    if is_plaintext():
        return []
    with Installation(data_dir()).registry() as registry:
        parties = [member.party for member in registry.members() if member.party != CENTER]
        addresses, suspended = registry.addresses(wall_clock()), registry.suspended()
    folder = cluster.transport("admin")
    change = access.plan(bootstrap, load(TOPICS_FILE, parties), addresses, suspended, folder)
    access.apply(bootstrap, change, folder)
    return change.lines()


def publish_trust_topic(bootstrap: str) -> int:
    """Write all of hedx.trust, with a fresh revocation list, signed by the center; tells how many records."""
    installation = Installation(data_dir())
    with open_identity(installation.identity_folder(CENTER)) as center:
        outputs = installation.publication(center.signer, wall_clock())
    try:
        publish(bootstrap, outputs, "hedx.center.trust", extra=cluster.security(CENTER))
    except KafkaException as error:
        raise ConfigError(f"hedx.trust is not published: {error.args[0].str()}; hedx ca publish tries again") from error
    return len(outputs)

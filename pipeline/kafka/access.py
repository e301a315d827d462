"""Rights and quotas of the principals in topics.yaml, together: compared with a cluster, and applied."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.kafka import acls, quotas
from pipeline.kafka.security import client_security
from pipeline.kafka.topology import Topology


@dataclass(frozen=True, slots=True)
class AccessPlan:
    """What differs between file, registry and cluster."""

    acls: acls.AclPlan
    quotas: tuple[quotas.QuotaChange, ...]

    @property
    def in_step(self) -> bool:
        """Whether nothing differs."""
        return self.acls.in_step and not self.quotas

    def lines(self) -> list[str]:
        """One line a difference: + new, ~ changed, - removed."""
        return [*self.acls.lines(), *map(str, self.quotas)]


NOTHING = AccessPlan(acls.AclPlan(), ())
"""For a cluster without TLS: it knows nobody's name, so there is nothing to allow."""


def plan(
    bootstrap: str,
    topology: Topology,
    addresses: Mapping[str, Collection[str]],
    suspended: Collection[str],
    operator: Path,
) -> AccessPlan:
    """What must change for the parties' registered `addresses` and those `suspended`.

    `operator`: folder of the TLS files of a super user. Raises ConfigError when the cluster does not answer.
    """
    wanted = acls.wanted(topology, addresses, suspended)
    observed = acls.observe(bootstrap, client_security(operator))
    limits = quotas.plan(topology, quotas.observe(bootstrap, operator))
    return AccessPlan(acls.plan(topology, wanted, observed), tuple(limits))


def apply(bootstrap: str, plan: AccessPlan, operator: Path) -> None:
    """Carry it out; returns when it holds. Raises ConfigError listing what the cluster refused."""
    acls.apply(bootstrap, plan.acls, client_security(operator))
    quotas.apply(bootstrap, plan.quotas, operator)

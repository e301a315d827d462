"""Who may do what at the console: principal → role, from a strict YAML file or, where there is none, as shipped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, field_validator

from pipeline.crypto.certificates import party_of_principal
from pipeline.crypto.requests import is_principal
from pipeline.domain.parties import CENTER
from pipeline.kafka.strict_yaml import read_strict

Role = Literal["viewer", "operator", "officer"]
FILE: Final = "console.yaml"
SHIPPED: Final[Mapping[str, Role]] = {"ops": "operator", "center": "officer", "admin": "operator"}
"""What counts where there is no file; parties have no role."""
_RANK: Final[Mapping[Role, int]] = {"viewer": 0, "operator": 1, "officer": 2}


class _File(BaseModel):
    """`roles:` principal → role."""

    model_config = ConfigDict(extra="forbid")
    roles: dict[str, Role]

    @field_validator("roles")
    @classmethod
    def _known(cls, roles: dict[str, Role]) -> dict[str, Role]:
        for principal, role in roles.items():
            if not is_principal(principal):
                raise ValueError(f"{principal} is no principal (ops, center, admin, P37)")
            if own_party(principal) is not None and role != "viewer":
                raise ValueError(f"{principal} is a party's: it can be a viewer, of its own figures, and nothing more")
        return roles


def load_roles(folder: Path) -> Mapping[str, Role]:
    """The roles of an installation's folder. Raises ConfigError naming the key and line that is wrong."""
    path = folder / FILE
    return read_strict(path, _File, ("roles",)).roles if path.exists() else SHIPPED


def may(role: Role, needed: Role) -> bool:
    """Whether `role` includes `needed`: an officer is an operator too, and an operator a viewer."""
    return _RANK[role] >= _RANK[needed]


def own_party(principal: str) -> str | None:
    """The party whose figures alone this principal sees: `37` for `P37`; None for the center's own principals."""
    party = party_of_principal(principal)
    return None if party == CENTER else party

"""topics.yaml: the topics and principals of the exchange as code, read strictly and expanded over the parties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from pipeline.domain.errors import ConfigError
from pipeline.kafka.strict_yaml import read_strict
from pipeline.settings import environment

_PACKAGE = Path(__file__).resolve().parents[1]
TOPICS_FILE = next(filter(Path.is_file, [_PACKAGE / "topics.yaml"]), _PACKAGE.parent / "topics.yaml")
"""The file of this installation: inside the installed package, or beside it in a checkout."""

PLACEHOLDER = "{party}"


def _native(value: Any) -> str:
    """A config value as Kafka writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float | str):
        return str(value)
    raise ValueError("must be a text, a number, true or false")


def _address(text: str) -> str:
    """`*`, or one IP address: Kafka knows no networks before version 4.4."""
    if text != "*":
        ip_address(text)
    return text


Name = Annotated[str, StringConstraints(min_length=1)]
Count = Annotated[int, Field(strict=True, ge=1)]
Host = Annotated[str, AfterValidator(_address)]
NativeConfig = dict[str, Annotated[str, BeforeValidator(_native)]]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cluster(_Strict):
    """Which cluster the file is for. Topics whose name starts with `prefix` are the file's business, others never are."""

    name: Name
    environment: Name
    prefix: Name


class Defaults(_Strict):
    """What a topic has unless it says otherwise; `config` is merged key by key."""

    partitions: Count
    replicas: Count
    config: NativeConfig = {}


class Environment(_Strict):
    """What the defaults are on another cluster than the file's own: only what differs, `config` key by key."""

    partitions: Count | None = None
    replicas: Count | None = None
    config: NativeConfig = {}


class _Expandable(_Strict):
    name: Name
    description: str = ""
    foreach: Literal["parties"] | None = None

    @model_validator(mode="after")
    def _names_differ(self) -> _Expandable:
        if self.foreach and PLACEHOLDER not in self.name:
            raise ValueError(f"`foreach: parties` needs {PLACEHOLDER} in the name, else all have the same")
        return self


class TopicEntry(_Expandable):
    """One topic, or with `foreach` one per party, as written."""

    owner: str = ""
    partitions: Count | None = None
    replicas: Count | None = None
    config: NativeConfig = {}
    keyed: bool = True
    changelog_of: Name | None = None


class Quota(_Strict):
    """What one principal may take of each broker: bytes a second it writes and reads, percent of a thread's time."""

    producer_byte_rate: Count
    consumer_byte_rate: Count
    request_percentage: Count


class PrincipalEntry(_Expandable):
    """One principal, or with `foreach` one per party, as written."""

    group: str = ""
    hosts: list[Host] = ["*"]
    quota: Quota | None = None
    transactions: bool = False
    describes: bool = False
    produces: list[Name] = []
    consumes: list[Name] = []


class TopologyFile(_Strict):
    """The whole file, as written."""

    cluster: Cluster
    defaults: Defaults
    environments: dict[Name, Environment] = {}
    parties: list[str]
    topics: list[TopicEntry]
    principals: list[PrincipalEntry] = []


@dataclass(frozen=True, slots=True)
class TopicSpec:
    """One topic as it shall be. `config` has Kafka's native keys and texts, the defaults merged in.

    `keyed`: readers rely on all records of a key being in one partition. `changelog_of`: the input topic of the stage
    that keeps its state here.
    """

    name: str
    partitions: int
    replicas: int
    config: Mapping[str, str]
    description: str
    owner: str
    keyed: bool = True
    changelog_of: str | None = None


@dataclass(frozen=True, slots=True)
class PrincipalSpec:
    """One Kafka principal and the topics it may write and read.

    `group` is the prefix of its consumer groups and, with `transactions`, of its transactional ids. `hosts`: addresses
    it may come from, or `*`; a party comes from its registered addresses instead. `quota`: Kafka's key -> limit, empty
    for none. `describes`: the prefix of topics and groups that it may look at (offsets, members, settings) without
    reading them, or empty.
    """

    name: str
    description: str
    group: str
    produces: tuple[str, ...]
    consumes: tuple[str, ...]
    hosts: tuple[str, ...] = ("*",)
    transactions: bool = False
    describes: str = ""
    quota: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Topology:
    """What the file says for the selected parties.

    `declared`: the topic names for *all* its parties, so that a restricted run does not take others' topics for strays;
    `others`: for the same reason, the principals of the parties that were not selected.
    """

    cluster: Cluster
    parties: tuple[str, ...]
    topics: tuple[TopicSpec, ...]
    principals: tuple[PrincipalSpec, ...]
    declared: frozenset[str]
    others: frozenset[str] = frozenset()

    def topic(self, name: str) -> TopicSpec:
        """The topic of that name. Raises KeyError when there is none."""
        for spec in self.topics:
            if spec.name == name:
                return spec
        raise KeyError(name)


_KNOWN_KEYS = {
    key
    for model in (Cluster, Defaults, Environment, TopicEntry, PrincipalEntry, Quota, TopologyFile)
    for key in model.model_fields  # a hint may name a key of another level: still a hint
}


def load(path: Path, parties: Sequence[str] | None = None) -> Topology:
    """Read `path` and expand it over `parties` (None: all that the file lists).

    Raises ConfigError for unreadable YAML, for unknown, missing, repeated or ill-typed keys (all of them, each with its
    line and place), and for a party the file does not list. What the content means is judged by `topic_rules.validate`.
    """
    return expand(load_file(path), parties, path.name)


def load_file(path: Path) -> TopologyFile:
    """Read `path` as written, with the defaults of HEDX_ENVIRONMENT if that names one. Raises ConfigError as `load` does."""
    return in_environment(read_strict(path, TopologyFile, _KNOWN_KEYS), environment(), path.name)


def in_environment(file: TopologyFile, name: str | None, source: str = "topics.yaml") -> TopologyFile:
    """`file` with the defaults of its environment `name`; None: those of its own. Raises ConfigError for an unknown one."""
    if name is None or name == file.cluster.environment:
        return file
    if name not in file.environments:
        known = ", ".join([file.cluster.environment, *file.environments])
        raise ConfigError(f"HEDX_ENVIRONMENT={name}: {source} knows {known}")
    other = file.environments[name]
    defaults = Defaults(
        partitions=other.partitions or file.defaults.partitions,
        replicas=other.replicas or file.defaults.replicas,
        config={**file.defaults.config, **other.config},
    )
    cluster = file.cluster.model_copy(update={"environment": name})
    return file.model_copy(update={"cluster": cluster, "defaults": defaults})


def expand(file: TopologyFile, parties: Sequence[str] | None = None, name: str = "topics.yaml") -> Topology:
    """What `file` says for `parties` (None: all that it lists). Raises ConfigError for a party that it does not list."""
    strangers = sorted(set(parties or ()) - set(file.parties))
    if strangers:
        raise ConfigError(f"{name}: parties {', '.join(strangers)} are not in its list `parties`")
    selected = tuple(file.parties if parties is None else [party for party in file.parties if party in parties])
    principals = tuple(spec for entry in file.principals for spec in _principals(entry, selected, file.cluster))
    all_names = {spec.name for entry in file.principals for spec in _principals(entry, file.parties, file.cluster)}
    return Topology(
        cluster=file.cluster,
        parties=selected,
        topics=tuple(spec for entry in file.topics for spec in _topics(entry, file.defaults, selected)),
        principals=principals,
        declared=frozenset(name for entry in file.topics for name in _expand(entry.name, file.parties)),
        others=frozenset(all_names - {spec.name for spec in principals}),
    )


def _topics(entry: TopicEntry, defaults: Defaults, parties: Sequence[str]) -> Iterator[TopicSpec]:
    for party in parties if entry.foreach else [None]:
        yield TopicSpec(
            name=_fill(entry.name, party),
            partitions=entry.partitions or defaults.partitions,
            replicas=entry.replicas or defaults.replicas,
            config={**defaults.config, **entry.config},
            description=_fill(entry.description, party),
            owner=_fill(entry.owner, party),
            keyed=entry.keyed,
            changelog_of=_fill(entry.changelog_of, party) if entry.changelog_of else None,
        )


def _principals(entry: PrincipalEntry, parties: Sequence[str], cluster: Cluster) -> Iterator[PrincipalSpec]:
    for party in parties if entry.foreach else [None]:
        meant = [party] if party else parties  # without foreach, {party} stands for every one
        yield PrincipalSpec(
            name=_fill(entry.name, party),
            description=_fill(entry.description, party),
            group=_fill(entry.group, party),
            produces=tuple(name for text in entry.produces for name in _expand(text, meant)),
            consumes=tuple(name for text in entry.consumes for name in _expand(text, meant)),
            hosts=tuple(entry.hosts),
            transactions=entry.transactions,
            describes=cluster.prefix if entry.describes else "",
            quota=entry.quota.model_dump() if entry.quota else {},
        )


def _fill(text: str, party: str | None) -> str:
    return text if party is None else text.replace(PLACEHOLDER, party)


def _expand(text: str, parties: Iterable[str]) -> list[str]:
    return [_fill(text, party) for party in parties] if PLACEHOLDER in text else [text]

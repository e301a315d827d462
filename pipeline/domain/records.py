"""The records of the exchange, as typed dictionaries; one `avro/<Name>.avsc` each, same field names and order.

Records are plain dictionaries on purpose: fastavro reads and writes them without conversion, and at 12,000
sub-queries a section a conversion would be the dearest thing the center does. Conventions:

- dates are ISO strings `YYYY-MM-DD`; instants are `int` milliseconds since the epoch, UTC;
- parties are `center`, `00` or the two digits of GB/T 2260;
- `members` is a bit set over the roster indexes of a section: bit i is bit `i % 8` of byte `i // 8`
  (see `domain.members`);
- digests are SHA-256 (suite 1), 32 bytes.
"""

from __future__ import annotations

from typing import Literal, TypedDict

Value = None | bool | int | str
"""A typed value of an answer. Decimals and dates travel as strings; the catalog item names the type."""

DocumentType = Literal["resident_id", "residence_permit", "birth_certificate", "none"]
"""resident_id 居民身份证; residence_permit 港澳台居民居住证/外国人永久居留证; birth_certificate 出生医学证明 (infants);
none: an infant without any document, asked about through the guardian."""


LifecycleState = Literal[
    "drafted",
    "filed",
    "under_review",
    "held",
    "accepted",
    "rejected",
    "started",
    "partly_answered",
    "completed",
    "incomplete",
    "supplemented",
    "withdrawn",
    "under_recheck",
    "archived",
]
"""Where an application stands: the states of `domain.lifecycle`."""

AdministrativeLevel = Literal["national", "province", "city", "county", "township", "village"]
"""国家, 省, 市, 县, 乡, 村: the levels whose registers a resource covers (各级, Art. 13)."""

EvidenceKind = Literal["identity", "consent", "guardianship", "mandate", "other"]
"""身份证明材料, 授权书, 监护关系证明, 审批机关委托书 (Art. 9), and other documents a query rests on."""


# ---- what a requester files -------------------------------------------------------------------------------------


class Period(TypedDict):
    """时间范围: latest (blank), one day, or an inclusive range."""

    kind: Literal["latest", "day", "range"]
    start: str | None
    end: str | None


class ScheduleRow(TypedDict):
    """One row of the schedule (附表)."""

    row: int  # 1-based, in the order of the form
    provider: str  # as normalised: "all" (全国), "00" (部中心) or a province code
    category: str  # catalog category id, e.g. "household_registration"
    period: Period


class UnitConsent(TypedDict):
    """Consent of the provincial civil affairs department (省级民政部门) to a query for a city or county unit (Art. 3)."""

    level: Literal["city", "county"]
    unit: str
    authority: str
    document: str
    reason: str
    date: str
    valid_until: str


class Recheck(TypedDict):
    """What a re-check (复核, Art. 10) is of: an application, the certificate that is disputed, and which attempt this one is."""

    original: str
    mandate_digest: bytes
    certificate: bytes
    attempt: int
    reason: str


class Application(TypedDict):
    """查询申请: every field of the annex."""

    application_id: str  # UUID
    requester: str
    addressee: str  # 民政部低收入家庭认定指导中心
    legal_basis: str  # 《社会救助暂行办法》(国务院令第649号)
    approving_authority: str  # 审批机关, the entrusting unit (委托单位) of Art. 11
    business_category: str  # 业务类别, e.g. 最低生活保障
    purpose: str  # 用途: what the results will be used for
    lead_person: str  # 「对…等」
    person_count: int  # 「…人」
    consent_held: bool  # written consent of each person or guardian is held
    consent_scope: Literal["nationwide", "narrower"]  # 授权范围为全国各核对机构
    roster_date: str  # 「…年…月…日提交的」
    roster_dataset: str  # 「…电子数据」
    contact_name: str
    contact_phone: str
    form_date: str
    schedule: list[ScheduleRow]
    seal_to_center: bool
    unit_consent: UnitConsent | None
    recheck: Recheck | None


class Person(TypedDict):
    """One line of the roster (被查询人员名单)."""

    number: int  # 1-based line of the whole roster, unique in the application
    household: str
    name: str
    document_type: DocumentType
    document_number: str  # "" when document_type is none
    relation: str  # 与户主关系, e.g. 户主 配偶 子 女
    birth_date: str | None  # required unless resident_id
    guardian_name: str | None
    guardian_document_number: str | None
    consent_reference: str  # reference of the written consent (授权书)
    consent_by: Literal["self", "guardian"]
    consent_scope: Literal["nationwide", "narrower"]
    consent_date: str


class SectionHead(TypedDict):
    """Record 1 of an application or request bundle. `application` only towards the center."""

    salt: bytes  # section salt, 32 bytes
    roster_date: str
    roster_dataset: str
    application: Application | None
    origin: RecheckOrigin | None  # of a re-check, towards the center and the providers


class PersonOrigin(TypedDict):
    """Where a person of a re-check stands in the original's mandate: the leaf, and its path to the section's root."""

    section: int
    index: int
    salt: bytes
    path: list[bytes]


class RecheckOrigin(TypedDict):
    """What proves that a re-check asks of nobody, and for nothing, but what its original asked (Art. 10)."""

    mandate: bytes  # COSE_Sign1 hedx/1/mandate of the original
    acceptance: bytes  # COSE_Sign1 hedx/1/acceptance of the original
    persons: list[PersonOrigin]  # in the order of the section's persons


class Warrant(TypedDict):
    """Record 0 of an application or request bundle: what entitles the reader to go on."""

    mandate: bytes  # COSE_Sign1 hedx/1/mandate
    acceptance: bytes | None  # COSE_Sign1 hedx/1/acceptance, towards providers


# ---- signed objects -----------------------------------------------------------------------------------------------


class SectionRoot(TypedDict):
    """Root and head count of one section, as the requester signed them."""

    root: bytes
    count: int


class Mandate(TypedDict):
    """hedx/1/mandate: signed by the requester, checked by the center and by every provider."""

    application_id: str
    requester: str
    entrusting_unit: str  # 委托单位 = 审批机关
    approving_authority: str
    business_category: str
    purpose: str
    schedule: list[ScheduleRow]
    reply_key: bytes  # SEC1 uncompressed P-256 point, 65 bytes
    suite: int
    sections: list[SectionRoot]  # in section order, sections are numbered from 1
    evidence: list[bytes]  # digests of the documents held at the province
    catalog_release: int
    not_after: int
    seal_to_center: bool
    checkpoint: bytes | None
    unit_consent: UnitConsent | None
    recheck: Recheck | None


class Coverage(TypedDict):
    """What a resource covers, and as of when: no record (查无记录) means nothing on record within it."""

    region: str
    region_codes: list[str]  # GB/T 2260, two, four or six digits; "00": the whole country
    levels: list[AdministrativeLevel]
    period_covered: str
    as_of: str


class SubQuery(TypedDict):
    """What one provider is asked, for one schedule row, of every person of the application."""

    provider: str
    row: int
    category: str
    period: Period
    deadline: int
    coverage: Coverage | None  # of the catalog entry, frozen at acceptance; None in the center's own records


class Acceptance(TypedDict):
    """hedx/1/acceptance: signed by the center."""

    application_id: str
    requester: str
    mandate_digest: bytes
    catalog_release: int
    sub_queries: list[SubQuery]
    suspended: list[str]  # parties that offer a category but are suspended; `unavailable` in the certificate
    accepted_at: int
    calendar: str  # which years' working days the deadlines were counted with, `2026 published`; "" if with none


class Receipt(TypedDict):
    """hedx/1/receipt: `received` (intake, for an envelope) or `delivered` (the requester, for one provider's bundles)."""

    kind: Literal["received", "delivered"]
    application_id: str | None
    provider: str | None
    envelope_id: bytes | None
    envelope_digest: bytes | None
    bundles: list[bytes]  # bundle digests (leaves)
    at: int


class Fault(TypedDict):
    """One reason for a rejection. Never holds a personal datum: `number` points into the requester's own roster."""

    code: str
    field: str
    number: int | None  # roster number of the person concerned
    row: int | None  # schedule row concerned
    args: dict[str, str]  # fills the wording's placeholders; counts, dates, names of fields, never personal data


class Rejection(TypedDict):
    """hedx/1/rejection: signed by the center, lists every reason."""

    application_id: str | None
    mandate_digest: bytes | None
    envelope_id: bytes | None
    faults: list[Fault]
    at: int


Status = Literal["done", "refused", "unavailable", "expired", "withdrawn"]


class BundleRef(TypedDict):
    """A bundle that the requester must hold before the section is complete."""

    provider: str
    digest: bytes  # bundle leaf
    count: int
    rows: list[int]
    members: bytes
    version: int
    outcome: Literal["done", "refused", "unavailable"]
    code: str | None  # why not, when the outcome is not done
    until: int | None  # until when unavailable
    appended_at: int  # the broker's append time of the provider's envelope: what counts against the deadline


class CertificatePart(TypedDict):
    """Persons of a line who share one status; `members` None: all of them."""

    status: Status
    code: str | None
    until: int | None
    members: bytes | None  # None: every person of the section
    count: int


class CertificateLine(TypedDict):
    """One provider x resource of the section; its parts cover every person exactly once."""

    provider: str
    row: int
    category: str
    parts: list[CertificatePart]


class SectionCertificate(TypedDict):
    """hedx/1/section-certificate: signed by the center at join."""

    application_id: str
    requester: str
    mandate_digest: bytes
    section: int
    sections: int
    version: int  # 1, then one more per supplement
    person_count: int
    lines: list[CertificateLine]
    bundles: list[BundleRef]
    closed_at: int


class StatusCount(TypedDict):
    """How many persons stand in one status, at one provider and row."""

    provider: str
    row: int
    category: str
    status: Status
    code: str | None
    count: int


class SectionResult(TypedDict):
    """A section of an application: its newest certificate and the bundles it names."""

    section: int
    certificate: bytes  # COSE_Sign1 hedx/1/section-certificate
    bundles: list[bytes]  # digests, in order


class ApplicationResult(TypedDict):
    """hedx/1/certificate: what the join gives for each application, signed by the center."""

    application_id: str
    requester: str
    mandate_digest: bytes
    version: int
    person_count: int
    sections: list[SectionResult]
    statuses: list[StatusCount]
    complete: bool  # every sub-query done
    closed_at: int


# ---- answers --------------------------------------------------------------------------------------------------------


class ItemValue(TypedDict):
    """One content item (内容项) and its value."""

    item: str
    value: Value


class Entry(TypedDict):
    """One record found, e.g. one property."""

    items: list[ItemValue]


class ResourceAnswer(TypedDict):
    """What one provider has on one person for one schedule row."""

    row: int
    status: Literal["found", "no_record"]
    as_of: str
    coverage: str
    entries: list[Entry]
    region_codes: list[str] | None  # where fewer are covered than the catalog entry says; None: the entry's
    levels: list[AdministrativeLevel] | None  # likewise


class Answer(TypedDict):
    """One person's answer from one provider; a record of an answer bundle."""

    index: int  # roster index in the section, from 0
    results: list[ResourceAnswer]


# ---- catalog and trust ----------------------------------------------------------------------------------------------


class CatalogItem(TypedDict):
    """A content item that a resource has, and its type."""

    item: str
    name: str  # Chinese
    type: Literal["text", "integer", "decimal", "date", "boolean"]
    required: bool


class CatalogEntry(TypedDict):
    """One resource: what one provider offers in one category."""

    provider: str
    category: str
    name: str  # Chinese name of the category, e.g. 户籍
    items: list[CatalogItem]
    region: str  # region covered, in words
    region_codes: list[str]  # the same, GB/T 2260; "00": the whole country
    levels: list[AdministrativeLevel]  # administrative levels covered (各级)
    as_of: str  # data as of this date
    update_cycle: str
    feedback_seconds: int | None  # feedback limit from acceptance; exactly one of the two is set
    feedback_working_days: int | None  # the same in working days (工作日)
    sharing_conditions: str
    period_covered: str
    version: int
    release: int


class CatalogManifest(TypedDict):
    """The last record of a release: how many entries it has, and their digest."""

    release: int
    entries: int
    digest: bytes
    published_at: int


class RegisteredAddress(TypedDict):
    """An address of the government extranet (电子政务外网) that a party has registered, Art. 5."""

    address: str  # one IPv4 or IPv6 address, in its shortest form
    since: int
    until: int | None  # ms; None: until it is changed


class TrustEntry(TypedDict):
    """One party: who it is, which certificates are its own, and where it connects from."""

    party: str
    name: str
    role: Literal["center", "provider", "province"]
    signing_certificates: list[bytes]  # DER, the newest first
    sealing_certificates: list[bytes]  # DER, the newest first; they vouch for the seal keys
    transport_certificates: list[bytes]  # DER, the newest first
    addresses: list[RegisteredAddress]
    minimum_suite: int
    suspended: bool
    number: int


class RevocationList(TypedDict):
    """What is revoked: an X.509 CRL (RFC 5280) with its number, under `crl` on hedx.trust."""

    number: int
    crl: bytes  # DER, signed by the issuing CA


class LogLeaf(TypedDict):
    """One line of the append-only trust log, under `log/<index>` on hedx.trust. Only a signed head makes it count."""

    index: int
    kind: Literal["certificate", "revocation"]
    party: str
    digest: bytes  # SHA-256 over the certificate's DER
    request: bytes | None  # SHA-256 over the certificate request (PKCS#10, DER) that asked for it
    at: int


class LogHead(TypedDict):
    """A tree head of the trust log: signed by the center, cosigned by the parties that have seen it grow."""

    log: str  # "trust"
    size: int
    root: bytes
    at: int


class SealKey(TypedDict):
    """hedx/1/seal-key: the key to seal to for a while, which the party's encrypt certificate vouches for."""

    party: str
    number: int  # one more with every rotation
    point: bytes  # SEC1 uncompressed P-256 point, 65 bytes
    not_before: int
    not_after: int


# ---- acts: what parties tell each other, signed (stages/acts.py) ---------------------------------------------------------------


class Withdrawal(TypedDict):
    """hedx/1/withdrawal (撤销): the requester takes an application back (Art. 10). Signed by the requester."""

    application_id: str
    requester: str
    mandate_digest: bytes
    reason: str
    at: int


class WithdrawalAck(TypedDict):
    """hedx/1/withdrawal-ack: a provider knows of a withdrawal and answers no more. Signed by the provider."""

    application_id: str
    requester: str
    mandate_digest: bytes
    provider: str
    withdrawal: bytes
    answered: list[int]
    dropped: list[int]
    at: int


class Delay(TypedDict):
    """hedx/1/delay (不可抗力 or other objective reason, Art. 10): rows that cannot be answered in time, until when, and why. Signed by the provider; by the center when it is the center that cannot start in time."""

    application_id: str
    requester: str
    mandate_digest: bytes
    provider: str
    rows: list[int]
    until: int
    reason: str
    at: int


class DelayReply(TypedDict):
    """hedx/1/delay-reply: what the requester says to a delay: agree, shorten (to `until`), or close the rows as unavailable. Signed by the requester."""

    application_id: str
    requester: str
    mandate_digest: bytes
    provider: str
    delay: bytes
    decision: Literal["agree", "shorten", "close"]
    until: int | None
    reason: str
    at: int


class Extension(TypedDict):
    """hedx/1/extension: the deadline that was agreed, or that the rows are closed. Signed by the center, for requester and provider."""

    application_id: str
    requester: str
    mandate_digest: bytes
    provider: str
    rows: list[int]
    until: int
    closed: bool
    delay: bytes
    reply: bytes
    at: int


class ReviewNotice(TypedDict):
    """hedx/1/review: what the center tells a requester about its application on the way: held for an officer, escalated since nobody decided, withdrawn as asked, or why what it asked is not done; or what it reminds a provider of. Signed by the center."""

    application_id: str
    requester: str
    mandate_digest: bytes | None
    kind: Literal["held", "escalated", "withdrawn", "declined", "reminder"]
    faults: list[Fault]
    due: int | None
    at: int


class EvidenceRequest(TypedDict):
    """hedx/1/evidence-request (调阅): documents that the center asks a province for, within 5 working days (Art. 9). Signed by the center."""

    request_id: str
    application_id: str
    requester: str
    numbers: list[int]
    kinds: list[EvidenceKind]
    draw: str | None
    reason: str
    due: int
    reminder: int
    at: int


class EvidenceMissing(TypedDict):
    """A document that was asked for and is not released."""

    number: int | None
    kind: EvidenceKind
    reason: str


class EvidenceReply(TypedDict):
    """hedx/1/evidence-reply: what the province released for a request, and what it could not. Signed by the province."""

    request_id: str
    application_id: str
    requester: str
    released: list[bytes]
    missing: list[EvidenceMissing]
    at: int


class DestroyedDocument(TypedDict):
    """A document of the archive that was destroyed: what stays of it."""

    digest: bytes
    kind: EvidenceKind
    numbers: list[int]
    kept_until: int | None


class Destruction(TypedDict):
    """hedx/1/destruction (销毁): the protocol of destroyed documents; numbered, each naming the one before. Signed by the province."""

    party: str
    number: int
    application_id: str
    documents: list[DestroyedDocument]
    early: bool
    reason: str
    officer: str
    second: str
    previous: bytes | None
    at: int


class CatalogReport(TypedDict):
    """hedx/1/catalog-report (资源上报, Art. 13): what a party offers from now on. Signed by the party."""

    party: str
    number: int
    entries: list[CatalogEntry]
    retire: list[str]
    at: int


class CatalogDecision(TypedDict):
    """hedx/1/catalog-decision: what the center decided about a report. Signed by the center."""

    party: str
    report: bytes
    accepted: bool
    reason: str
    release: int | None
    at: int


class Difference(TypedDict):
    """One field that a re-check found other than before."""

    number: int
    row: int
    provider: str
    entry: int
    item: str
    before: str | None
    after: str | None


class Differences(TypedDict):
    """hedx/1/differences: what a re-check changed, field by field. Signed by the requester; never on Kafka, since it holds personal data."""

    application_id: str
    original: str
    requester: str
    attempt: int
    before: bytes
    after: bytes
    differences: list[Difference]
    compared: int
    part: int
    parts: int
    at: int


class Draw(TypedDict):
    """hedx/1/draw (抽查): the drawing of a spot check: first the commitment, afterwards the seed, so that anyone can draw again. Signed by the center."""

    draw_id: str
    kind: Literal["commitment", "seed"]
    commitment: bytes
    candidates: bytes
    population: int
    count: int
    seed: bytes | None
    at: int


class EvidenceHead(TypedDict):
    """Record 0 of an evidence bundle (sealed to the center): which document of which request its chunks are of."""

    request_id: str
    application_id: str
    number: int | None
    kind: EvidenceKind
    digest: bytes
    size: int
    media_type: str
    part: int
    parts: int


# ---- inside the center ------------------------------------------------------------------------------------------------


class SectionReceived(TypedDict):
    """intake -> applications. The sealed bundle as it came, or the faults that intake found."""

    application_id: str
    requester: str
    section: int
    sections: int
    mandate: bytes
    bundle: bytes | None
    bundle_digest: bytes
    person_count: int
    stated_count: int  # 「…人」 of the form
    lead_present: bool  # whether the lead person 「对…等」 is in this section
    person_tags: bytes  # 16 bytes a person, HMAC under a per-application key, in roster order
    numbers: list[int]  # roster numbers, in roster order
    guarded_count: int  # persons for whom a guardian consented
    undocumented_count: int  # persons without any document
    form_tag: bytes  # HMAC over the section's copy of the form: all sections bring the same
    faults: list[Fault]
    received_at: int


class DispatchDue(TypedDict):
    """applications -> applications: a section of an accepted application, still to be sent to these providers."""

    application_id: str
    requester: str
    section: int
    providers: list[str]


class SectionExpected(TypedDict):
    """applications -> join."""

    application_id: str
    requester: str
    mandate_digest: bytes
    section: int
    sections: int
    person_count: int
    sub_queries: list[SubQuery]
    suspended: list[str]
    supplement_until: int
    warn_at: list[int]  # one for each sub-query; 0: no warning


class SectionResumed(TypedDict):
    """applications → join: a provider that was suspended at acceptance is asked after all."""

    application_id: str
    requester: str
    section: int
    provider: str


class SectionOwed(TypedDict):
    """join → applications: providers that have not answered a section for so long that they are asked again."""

    application_id: str
    requester: str
    section: int
    providers: list[str]


class DeadlineNear(TypedDict):
    """join → applications: a deadline of a provider is near, and answers are missing."""

    application_id: str
    requester: str
    section: int
    provider: str
    due: int


class AnswerArrived(TypedDict):
    """collect -> join. The provider's bundle, unchanged, with its proof."""

    provider: str
    sign1: bytes
    bundle: bytes
    digest: bytes  # the bundle's leaf, as collect verified it: nobody behind it hashes the bundle again
    index: int
    size: int
    path: list[bytes]
    appended_at: int


class Watermark(TypedDict):
    """collect -> every join partition: all envelopes of `source` appended before `time` are forwarded."""

    source: int
    sources: int
    time: int


class SectionCertified(TypedDict):
    """join -> applications."""

    application_id: str
    requester: str
    section: int
    version: int
    certificate: bytes  # COSE_Sign1


class DeliveryReceipted(TypedDict):
    """intake -> applications: a requester's signed delivery receipt, to be relayed to the provider."""

    application_id: str
    requester: str
    provider: str
    receipt: bytes  # COSE_Sign1
    bundles: list[bytes]


class Acted(TypedDict):
    """intake → applications: a party's signed act about an application, verified."""

    application_id: str
    requester: str
    actor: str
    typ: str
    act: bytes
    received_at: int


class OfficerDecided(TypedDict):
    """review desk → applications: what an officer decided about an application."""

    decision_id: str  # what became of it is the event with this id
    application_id: str
    requester: str
    decision: Literal["approve", "reject", "hold", "delay"]
    mandate_digest: bytes | None  # of the application that was looked at: another under its id is not decided on
    officer: str
    account: str  # of the operating system, which the desk ran as
    reason: str
    until: int | None  # of a delay: when the center expects to be able to start
    at: int


class EvidenceAsked(TypedDict):
    """evidence desk → applications: documents to be asked of a province."""

    request_id: str
    application_id: str
    requester: str
    numbers: list[int]
    kinds: list[EvidenceKind]
    draw: str | None
    officer: str
    reason: str
    at: int


class EvidenceArrived(TypedDict):
    """intake → applications: an evidence bundle, sealed as it came."""

    application_id: str
    requester: str
    bundle: bytes
    received_at: int


class EvidenceJudged(TypedDict):
    """hedx/1/evidence-judged: what an officer says to the documents of a request, and so ends it. Also evidence desk → applications. Signed by the center."""

    request_id: str
    application_id: str
    requester: str
    verdict: Literal["accepted", "questioned"]
    officer: str
    reason: str
    at: int


class RecheckAsked(TypedDict):
    """applications → applications: a re-check is complete and asks the original, in its own partition, whether it may go on."""

    application_id: str
    requester: str
    recheck: Recheck


class RecheckJudged(TypedDict):
    """applications → applications: the original's answer to a re-check."""

    application_id: str
    requester: str
    faults: list[Fault]


class RecheckEnded(TypedDict):
    """applications → applications: a re-check has its first certificate, or ended without: the original is closed again."""

    application_id: str
    requester: str
    recheck: str
    outcome: str


class SectionWithdrawn(TypedDict):
    """applications → join: a section of a withdrawn application; what is not answered yet will not be."""

    application_id: str
    requester: str
    section: int
    at: int


class SectionExtended(TypedDict):
    """applications → join: rows of a section have another deadline, or are closed as unavailable."""

    application_id: str
    requester: str
    section: int
    provider: str
    rows: list[int]
    until: int
    closed: bool
    warn_at: int  # 0: no warning


class Change(TypedDict):
    """One change of an application's state: when, by whom, why."""

    at: int
    by: str
    event: str
    state: LifecycleState
    code: str | None


class Approval(TypedDict):
    """An officer's approval that waits for a second one (two-person rule)."""

    officer: str
    account: str
    at: int


class DelayNoted(TypedDict):
    """A delay that an open application knows of, of a provider or the center itself."""

    provider: str
    digest: bytes
    rows: list[int]
    until: int
    settled: bool
    closed: bool


class EvidenceState(TypedDict):
    """applications: one evidence request, whatever has become of its application."""

    request: bytes
    request_id: str
    application_id: str
    requester: str
    asked_at: int
    due: int
    reminders: int
    parts: list[bytes]
    reply: bytes | None
    replied_at: int | None


class DeskItem(TypedDict):
    """hedx.center.desk: what waits for an officer of the center."""

    kind: Literal["review", "evidence", "catalog", "delay"]
    application_id: str | None
    party: str
    since: int
    due: int | None
    stage: Literal["open", "warn", "overdue"]
    faults: list[Fault]
    approvals: list[Approval]
    persons: int
    subject: bytes | None


class EventPart(TypedDict):
    """What an event says of the sub-queries of one category."""

    category: str
    status: str | None  # what became of them; None where they are only asked
    provider: str | None  # where the event is about more than one
    deadline: int | None
    count: int  # sub-queries; less than none where a supplement takes from a status


class LifecycleEvent(TypedDict):
    """hedx.events: facts without personal data."""

    event_id: str
    at: int
    stage: str
    kind: str
    application_id: str | None
    section: int | None
    party: str | None
    provider: str | None
    count: int
    code: str | None
    by: str | None  # who; None where the stage itself reports a fact
    since: int | None  # when began, or came, what ends with this event
    state: LifecycleState | None  # the application's, after a change of it
    change: int | None  # number of that change, from 1
    parts: list[EventPart]


class DeadLetter(TypedDict):
    """Why a message was put aside; travels in the header `hedx.deadletter` beside the original bytes."""

    stage: str
    topic: str
    partition: int
    offset: int
    timestamp: int
    code: str
    detail: str
    digest: bytes


class DeadLetterAct(TypedDict):
    """What an operator decided about a dead letter: on hedx.deadletters, and in the header `hedx.replayed` of what was put back."""

    act: str  # replayed, discarded
    partition: int
    offset: int
    letter: bytes  # framed DeadLetter
    by: str
    reason: str
    at: int
    to_topic: str | None
    to_partition: int | None
    to_offset: int | None


# ---- state of the center's stages (changelogs) ---------------------------------------------------------------------------


class SeenEnvelope(TypedDict):
    """intake, collect: idempotent receiver state, kept to exp + 1 d."""

    digest: bytes
    reply: bytes | None  # the receipt bundle to send again
    expires_at: int


class ApplicationState(TypedDict):
    """applications: one per application."""

    application_id: str
    requester: str
    state: LifecycleState
    sections: int
    arrived: list[int]
    person_count: int
    mandate_digest: bytes
    acceptance: bytes | None
    expires_at: int
    version: int
    certified: list[SectionResult]
    certified_versions: list[int]
    awaiting: list[bytes]  # bundle digests certified but not yet receipted by the requester
    delivered: list[bytes]
    received_at: int
    start_due: int
    pressing: int
    approvals: list[Approval]
    history: list[Change]
    withdrawal: bytes | None
    acknowledged: list[str]
    delays: list[DelayNoted]
    attempts: int
    certificate_digest: bytes | None
    recheck: Recheck | None
    rechecks: list[RecheckNoted]
    owed: list[int]  # sections whose newest certificate has gaps that a late answer may fill
    resumed: list[str]  # providers suspended at acceptance and asked later
    reminded: list[Reminded]


class Reminded(TypedDict):
    """A provider that was reminded (催报) of a deadline."""

    provider: str
    due: int


class RecheckNoted(TypedDict):
    """A re-check that its original knows of."""

    application_id: str
    attempt: int
    open: bool


class ClosedCase(TypedDict):
    """applications: what stays of a certified application that was let go of, so that a re-check still finds it."""

    application_id: str
    requester: str
    mandate_digest: bytes
    certificate_digest: bytes
    attempts: int
    rechecks: list[RecheckNoted]
    expires_at: int


class JoinLine(TypedDict):
    """What has come for one provider x row of a section."""

    provider: str
    row: int
    category: str
    deadline: int
    punctual: bytes  # members answered (whatever the outcome) in time
    answered: bytes  # members answered at all
    closed_until: int | None  # closed by agreement as unavailable
    warn_at: int  # 0: no warning
    pressed: int  # 0 not yet, 1 its deadline is near, 2 its deadline has passed; with answers missing


class JoinState(TypedDict):
    """join: one per section: bundle roots and counts, never answers."""

    expected: SectionExpected
    lines: list[JoinLine]
    bundles: list[BundleRef]
    version: int  # 0 while open
    closed_at: int
    withdrawn_at: int  # 0 while it is not withdrawn
    asked_at: int  # when those that owe were last asked
    resumed: list[str]  # providers suspended at acceptance and asked later

"""The words for what the probes find, and the cure for each, in Chinese and English."""

from __future__ import annotations

from typing import Final

Words = tuple[str, str]

_NAMES: Final[Words] = (
    "核对 DNS 或 /etc/hosts，以及 HEDX_BOOTSTRAP 和代理的 advertised.listeners",
    "look at DNS or /etc/hosts, at HEDX_BOOTSTRAP and the broker's advertised.listeners",
)
_KEYSTORE: Final[Words] = (
    "在代理所在机器为 broker 换发证书（hedx party request --service broker、hedx ca issue），执行 hedx broker keystore broker，再逐台重启代理",
    "renew it there (hedx party request --service broker, hedx ca issue), hedx broker keystore broker, restart brokers one by one",
)
_RIGHTS: Final[Words] = (
    "执行 hedx topics plan 查看，再执行 hedx topics apply；省份还需核对登记地址（hedx party ip）和是否暂停",
    "hedx topics plan shows it, hedx topics apply mends it; for a party look also at its addresses (hedx party ip) and suspension",
)
_YEAR: Final[Words] = (
    "按国务院通知编写该年日历文件，放入 HEDX_HOME/calendar，执行 hedx calendar check，并重启 applications",
    "write the year's file from the State Council's notice into HEDX_HOME/calendar, hedx calendar check, restart applications",
)
_CLOCK: Final[Words] = (
    "启用并检查时间同步（chrony 或 systemd-timesyncd），各代理和各机器都要",
    "run chrony or systemd-timesyncd, on every broker and machine, and look why it did not keep step",
)
_DESK: Final[Words] = ("执行 hedx review list，按期限逐件决定", "hedx review list, and decide, the most pressing first")

SEEN_FINDINGS: Final[dict[str, tuple[Words, Words]]] = {
    "kafka_silent": (
        ("{bootstrap} 无 Kafka 应答（以 {principal} 连接）：{said}", "no Kafka answers at {bootstrap} (asked as {principal}): {said}"),
        (
            "启动代理（hedx broker start，或看其日志），核对地址、防火墙和本机证书；此后再查其余各项",
            "start the brokers (hedx broker start, or their logs), look at address, firewall and this machine's certificate; then run this again",
        ),
    ),
    "broker_unresolved": (("代理 {address} 的名称无法解析：{said}", "broker {address}: the name does not resolve: {said}"), _NAMES),
    "broker_unreachable": (
        ("代理 {address} 无法连接：{said}", "broker {address} takes no connection: {said}"),
        ("查看该代理是否运行、端口和防火墙是否放行", "is that broker running, and do port and firewall let this machine in?"),
    ),
    "broker_name_wrong": (
        ("代理 {address} 的证书不含该名称：{said}", "broker {address}: its certificate carries another name: {said}"),
        (
            "改用证书上的名称连接，或为该代理换发含此名称的证书（hedx party request --service broker --host）",
            "connect to the name in it, or give the broker a certificate with this one (hedx party request --service broker --host)",
        ),
    ),
    "broker_certificate_expired": (("代理 {address} 的证书已过期", "broker {address}: its certificate has expired"), _KEYSTORE),
    "broker_certificate_early": (
        ("代理 {address} 的证书尚未生效：本机时钟可能偏慢", "broker {address}: its certificate is not valid yet, by this machine's clock"),
        _CLOCK,
    ),
    "broker_impostor": (
        ("{address} 出示的不是代理的证书：{said}", "{address}: what answers there has no broker's certificate: {said}"),
        (
            "立即查明谁在该地址应答；若是 monitor 的密钥，吊销并换发",
            "find out at once who answers there; if it is monitor's key, revoke it and make another",
        ),
    ),
    "broker_certificate_expires": (
        ("代理 {address} 的证书 {days} 天后到期", "broker {address}: its certificate expires in {days} days"),
        _KEYSTORE,
    ),
    "broker_certificate_unknown": (
        ("代理 {address} 的证书不是本交换网签发：{said}", "broker {address}: its certificate is not of the exchange's authority: {said}"),
        (
            "确认连接的是本交换网的代理；核对 principals/*/authorities.pem 是否为现行信任锚",
            "is this a broker of the exchange? is principals/*/authorities.pem of the authority in force?",
        ),
    ),
    "broker_tls_failed": (
        ("与代理 {address} 的 TLS 握手失败：{said}", "broker {address}: the TLS handshake fails: {said}"),
        ("核对端口是否为 TLS 监听、是否支持 TLS 1.3，以及本机证书", "is it the TLS listener, with TLS 1.3, and is this machine's certificate good?"),
    ),
    "rights_missing": (("{principal} 缺少权限：{what}", "{principal} may not do what it should: {what}"), _RIGHTS),
    "rights_beyond": (("{principal} 有多余权限：{what}", "{principal} may do what it must not: {what}"), _RIGHTS),
    "topics_drift": (
        ("集群与 topics.yaml 有 {count} 处不同，如：{first}", "the cluster differs from topics.yaml in {count} places: {first}"),
        ("执行 hedx topics plan 查看全部，确认后执行 hedx topics apply", "hedx topics plan shows all of it; then hedx topics apply"),
    ),
    "schemas_unreleased": (
        ("本程序的记录模式与已发布的不一致（{count} 个未发布，{faults} 处错误）{names}", "this code's schemas are not the released ones ({count} unreleased, {faults} faults) {names}"),
        ("执行 hedx schemas check；不要用未发布的版本连接生产集群", "hedx schemas check; do not run an unreleased version against production"),
    ),
    "schema_unknown": (
        ("{topic} 上有 {count} 条最新记录的模式本程序不认识", "{topic}: {count} of its newest records are of a schema that is not known here"),
        ("本机版本较旧：按升级指南升级", "this machine's version is older than who writes there: upgrade it"),
    ),
    "clock_ahead": (("本机时钟比控制器快 {seconds} 秒（误差 {error} 秒）", "this machine's clock is {seconds} s ahead of the controller's (±{error} s)"), _CLOCK),
    "clock_behind": (("本机时钟比代理慢 {seconds} 秒（误差 {error} 秒）", "this machine's clock is {seconds} s behind the brokers' (±{error} s)"), _CLOCK),
    "clock_simulated": (
        ("HEDX_CLOCK 已设置：时间是模拟的", "HEDX_CLOCK is set: time is simulated"),
        ("生产环境请取消该变量", "unset it, unless this is a rehearsal"),
    ),
    "clock_undisciplined": (("内核报告时钟未同步", "the kernel says that nothing keeps the clock right"), _CLOCK),
    "disk_full": (
        ("{place} 所在磁盘仅余 {percent}%（{gib} GiB）", "{place}: {percent} % of the disk is left ({gib} GiB)"),
        (
            "扩容或清理；代理的磁盘写满即停止：查看谁写得多（配额、泛洪，见 docs/operations.md）",
            "make room; a broker stops when its disk is full: see who writes so much (quotas, floods: docs/operations.md)",
        ),
    ),
    "python_old": (("Python {version} 过旧", "Python {version} is too old"), ("升级到 3.11 或更新", "upgrade to 3.11 or newer")),
    "packages_differ": (
        ("{count} 个软件包与锁定版本不同：{names}", "{count} packages are not of the locked version: {names}"),
        ("按 requirements-prod.lock 重新安装", "install from requirements-prod.lock"),
    ),
    "metadata_version_behind": (
        ("代理 {address} 支持更新的元数据版本，集群尚未启用", "broker {address} supports a newer metadata version than the cluster has agreed on"),
        ("全部代理升级并稳定后执行 kafka-features.sh upgrade", "once all brokers are upgraded and calm, kafka-features.sh upgrade"),
    ),
    "brokers_differ": (
        ("各代理版本不同：{brokers}", "brokers of different versions: {brokers}"),
        ("完成滚动升级", "finish the rolling upgrade"),
    ),
    "year_unknown": (("{year} 年工作日未知：涉及该年的期限无法计算", "the working days of {year} are not known: limits into it cannot be counted"), _YEAR),
    "year_estimated": (("{year} 年工作日为推算", "the working days of {year} are only estimated"), _YEAR),
    "holds_overdue": (("{count} 件待审申请已逾期", "{count} applications wait for an officer past their limit"), _DESK),
    "holds_due": (("{count} 件待审申请即将到期", "{count} applications must be decided on today"), _DESK),
    "letters_open": (
        ("近 30 日有 {count} 封死信未处理：{codes}", "{count} dead letters of the last 30 days are undecided: {codes}"),
        ("执行 hedx dlq list，查明原因后重放或作废", "hedx dlq list; mend the cause, then replay or discard"),
    ),
    "memory_swappable": (
        ("签名进程的内存可能被换出到磁盘", "a signer's memory may be swapped out"),
        ("设置 LimitMEMLOCK=infinity（ulimit -l unlimited），或停用交换分区", "LimitMEMLOCK=infinity (ulimit -l unlimited), or no swap"),
    ),
    "probe_too_slow": (
        ("检查项 {probe} 超时，未得结果", "{probe}: no result in time"),
        ("查看代理负载和网络，再执行 hedx doctor --only {probe}", "look at the brokers' load and the network, then hedx doctor --only {probe}"),
    ),
    "probe_failed": (
        ("检查项 {probe} 未能执行：{said}", "{probe} could not be looked at: {said}"),
        ("按所述原因处理，再执行 hedx doctor --only {probe}", "mend what it says, then hedx doctor --only {probe}"),
    ),
}  # fmt: skip
"""Code → what is the matter, and the cure."""

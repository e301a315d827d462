"""The one table of faults: code → field, Chinese wording, English wording.

The error report, the signed rejection and `docs/faults.md` are all made from it. Placeholders are filled from the
fault's `args`: counts, dates, codes, names of fields. Never a name or a number of a person; `{label}` is the field's.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from string import Formatter
from typing import Final

from pipeline.domain.records import Fault


@dataclass(frozen=True, slots=True)
class Wording:
    """How one fault is told. `field` is where it usually sits; a fault may name another."""

    field: str
    zh: str
    en: str

    def placeholders(self) -> frozenset[str]:
        """The args a fault of this code must bring."""
        return frozenset(name for _, name, _, _ in Formatter().parse(self.zh) if name) - {"label"}


FAULTS: Final[dict[str, Wording]] = {
    # ---- any field
    "missing": Wording("", "{label}未填写", "{label} is missing"),
    "too_long": Wording("", "{label}超过 {limit} 个字", "{label} is longer than {limit} characters"),
    "control_characters": Wording(
        "", "{label}含有控制字符、不可见字符或乱码", "{label} holds control, invisible or damaged characters"
    ),
    "date_format": Wording(
        "", "{label}不是有效日期，应为 YYYY-MM-DD", "{label} is not a date that exists, written YYYY-MM-DD"
    ),
    "date_future": Wording("", "{label}晚于今天", "{label} is in the future"),
    "choice": Wording("", "{label}只能填写：{allowed}", "{label} must be one of: {allowed}"),
    # ---- reading the files
    "file_missing": Wording("form", "找不到{label}文件，或无权读取", "the file of {label} is absent or may not be read"),
    "file_too_large": Wording(
        "form", "{label}文件超过 {limit} MiB", "the file of {label} is larger than {limit} MiB"
    ),
    "file_encoding": Wording(
        "form", "{label}文件不是 UTF-8 或 GB18030 编码的文本", "the file of {label} is not text in UTF-8 or GB18030"
    ),
    "file_syntax": Wording(
        "form", "{label}文件第 {line} 行格式错误", "the file of {label} cannot be understood at line {line}"
    ),
    "workbook_broken": Wording(
        "form",
        "{label}文件不是可读的 XLSX 工作簿（可能已损坏、加密，或为旧格式）",
        "the file of {label} is no readable XLSX workbook (damaged, locked, or of an older format)",
    ),
    "workbook_too_large": Wording(
        "form", "{label}工作簿展开后超过 {limit} MiB", "the workbook of {label} unpacks to more than {limit} MiB"
    ),
    "workbook_active": Wording(
        "form",
        "{label}工作簿含有宏、外部链接、对象等表格以外的内容（{part}），请另存为普通表格",
        "the workbook of {label} holds more than a table, such as macros, links or objects ({part})",
    ),
    "sheet_missing": Wording("form", "工作簿缺少工作表“{sheet}”", "the workbook has no sheet {sheet}"),
    "sheet_unknown": Wording("form", "工作簿中有未知的工作表：{sheet}", "the workbook has an unknown sheet: {sheet}"),
    "sheet_too_large": Wording(
        "form", "工作表“{sheet}”超过 {limit} 行", "the sheet {sheet} has more than {limit} rows"
    ),
    "cell_formula": Wording(
        "form",
        "工作表“{sheet}”的 {cell} 是公式，请改为值",
        "cell {cell} of sheet {sheet} is a formula; paste its value instead",
    ),
    "cell_error": Wording(
        "form", "工作表“{sheet}”的 {cell} 是错误值", "cell {cell} of sheet {sheet} holds an error"
    ),
    "roster_twice": Wording(
        "roster",
        "申请表工作簿中已有名单，又另给了名单文件",
        "the form's workbook has a roster of its own, and a file was given as well",
    ),
    "key_unknown": Wording("form", "申请表中有未知的项目：{key}", "the form has an unknown key: {key}"),
    "key_repeated": Wording("form", "申请表中的项目重复：{key}", "the form has the same key twice: {key}"),
    "value_shape": Wording("form", "申请表中“{key}”的填写方式不对", "the form's value of {key} has the wrong shape"),
    "column_unknown": Wording("roster", "名单中有未知的列：{column}", "the roster has an unknown column: {column}"),
    "column_repeated": Wording("roster", "名单中的列重复：{column}", "the roster has the same column twice: {column}"),
    "column_missing": Wording("roster", "名单缺少“{label}”列", "the roster has no column “{label}”"),
    "roster_label_missing": Wording(
        "roster", "名单文件开头缺少“{label}”一行", "the roster's file does not begin with a line for its {label}"
    ),
    "header_missing": Wording("roster", "名单缺少表头", "the roster has no header line"),
    "row_width": Wording("roster", "这一行的列数多于表头", "this line has more cells than the header"),
    # ---- the application
    "application_id": Wording("application_id", "申请编号不是 UUID", "the application id is not a UUID"),
    "requester_unknown": Wording(
        "requester", "申请单位不是省级核对机构", "the requester is not a provincial verification agency"
    ),
    "addressee_wrong": Wording("addressee", "受理单位应为“{expected}”", "the addressee must be “{expected}”"),
    "consent_not_held": Wording(
        "consent.held",
        "未声明已取得被查询人本人或其监护人书面授权",
        "written consent of each person or guardian is not declared to be held",
    ),
    "consent_narrower": Wording(
        "consent.scope",
        "授权范围小于“全国各核对机构”",
        "the consent covers less than all verification agencies nation-wide",
    ),
    "person_count": Wording("person_count", "人数应为不小于 1 的整数", "the head count must be a whole number above 0"),
    "phone_format": Wording("contact_phone", "联系电话格式不正确", "the contact's telephone number is malformed"),
    # ---- a city or county unit (Art. 3)
    "unit_consent_authority": Wording(
        "unit_consent.authority",
        "同意单位应为本省的省级民政部门“{expected}”",
        "consent must be given by the province's civil affairs department, {expected}",
    ),
    "unit_consent_late": Wording(
        "unit_consent.date", "同意日期晚于申请日期", "the consent is later than the date of the form"
    ),
    "unit_consent_expired": Wording(
        "unit_consent.valid_until",
        "同意文件在申请日期已失效，或有效期早于同意日期",
        "the consent has run out on the date of the form, or before it was given",
    ),
    # ---- the schedule
    "schedule_empty": Wording("schedule", "附表没有内容", "the schedule is empty"),
    "schedule_number": Wording("schedule", "附表行号不连续", "the schedule's rows are not numbered from 1 in order"),
    "schedule_duplicate": Wording("schedule", "与附表第 {first} 行重复", "the same as schedule row {first}"),
    "provider_unknown": Wording(
        "provider",
        "信息提供方“{given}”不是“全国”、“部中心”或省份名称",
        "provider “{given}” is not 全国 (nation-wide), 部中心 (the Ministry's center) or a province",
    ),
    "category_unknown": Wording(
        "category",
        "资源目录中没有内容类别“{given}”；可填：{known}",
        "the catalog has no category “{given}”; it has: {known}",
    ),
    "category_not_offered": Wording(
        "category",
        "目前没有任何单位提供“{category}”",
        "nobody offers {category} at present",
    ),
    "provider_does_not_offer": Wording(
        "category",
        "{provider}不提供“{category}”；提供单位：{offered_by}",
        "{provider} does not offer {category}; it is offered by: {offered_by}",
    ),
    "period_format": Wording(
        "period",
        "时间范围应为空、YYYY/MM/DD 或 YYYY/MM/DD-YYYY/MM/DD",
        "the period must be blank, YYYY/MM/DD or YYYY/MM/DD-YYYY/MM/DD",
    ),
    "period_impossible": Wording("period", "时间范围中的日期不存在", "the period names a day that does not exist"),
    "period_reversed": Wording("period", "时间范围的起始日期晚于截止日期", "the period starts after it ends"),
    "period_future": Wording("period", "时间范围晚于今天", "the period reaches into the future"),
    # ---- the roster as a whole
    "roster_empty": Wording("roster", "名单中没有人员", "the roster has no persons"),
    "roster_count": Wording(
        "person_count",
        "申请表人数为 {form}，名单人数为 {roster}",
        "the form says {form} persons, the roster has {roster}",
    ),
    "roster_date_differs": Wording(
        "roster.date",
        "名单的提交日期（{roster}）与申请表（{form}）不一致",
        "the roster's submission date ({roster}) is not the form's ({form})",
    ),
    "roster_dataset_differs": Wording(
        "roster.dataset", "名单的电子数据名称与申请表不一致", "the roster's data-set name is not the form's"
    ),
    "lead_person_absent": Wording("lead_person", "牵头人不在名单中", "the lead person is not in the roster"),
    "person_duplicate": Wording("document_number", "与名单第 {first} 号为同一人", "the same person as number {first}"),
    "number_repeated": Wording("number", "序号重复或无效", "the number is not a positive one of its own"),
    "two_heads": Wording("relation", "同一户有两个户主（另见第 {first} 号）", "a second head of household, after {first}"),
    # ---- one person
    "name_characters": Wording(
        "name", "{label}含有姓名中不应出现的字符", "{label} holds characters that no name is written with"
    ),
    "document_type_unknown": Wording("document_type", "证件类型不在受理范围", "the document type is not one of ours"),
    "document_missing": Wording("document_number", "{label}未填写", "{label} is missing"),
    "document_unexpected": Wording(
        "document_number", "证件类型为“无”时不应填写{label}", "{label} must be empty for a person without a document"
    ),
    "document_full_width": Wording("document_number", "{label}含有全角字符", "{label} holds full-width characters"),
    "document_scientific": Wording(
        "document_number",
        "{label}被表格软件改成了科学计数法，末位数字已丢失，请将该列设为文本后重新填写",
        "{label} was turned into scientific notation by a spreadsheet and has lost its last digits",
    ),
    "document_look_alike": Wording(
        "document_number",
        "{label}中有形似数字或 X 的其他字符（如字母 O、l）",
        "{label} holds characters that only look like digits or X (such as the letters O or l)",
    ),
    "document_characters": Wording("document_number", "{label}含有不允许的字符", "{label} holds other characters"),
    "document_length": Wording("document_number", "{label}位数不正确", "{label} has the wrong length"),
    "document_fifteen_digits": Wording(
        "document_number",
        "{label}是已停用的 15 位身份证号码",
        "{label} is a 15-digit number, which is no longer valid",
    ),
    "document_other_type": Wording(
        "document_number", "{label}与证件类型不符", "{label} is the number of another type of document"
    ),
    "document_region": Wording(
        "document_number", "{label}的省级行政区划代码不存在", "{label} starts with no province's region code"
    ),
    "document_birth_date": Wording(
        "document_number", "{label}中的出生日期不存在或晚于今天", "{label} holds a birth date that cannot be"
    ),
    "document_check_digit": Wording("document_number", "{label}校验码不正确", "{label} has a wrong check digit"),
    "birth_date_differs": Wording(
        "birth_date", "出生日期与证件号码不一致", "the birth date is not that of the document number"
    ),
    "document_for_minors": Wording(
        "document_type",
        "出生医学证明只用于未满 18 周岁的人员",
        "a birth certificate is accepted for persons under 18 only",
    ),
    "document_for_infants": Wording(
        "document_type", "无证件只用于未满 3 周岁的婴幼儿", "only an infant under 3 may be without a document"
    ),
    "guardian_missing": Wording(
        "guardian_name",
        "未成年人、无身份证件人员或由监护人授权的人员须填写监护人",
        "a guardian is required for a minor, a person without ID, or consent given by a guardian",
    ),
    "guardian_is_person": Wording(
        "guardian_document_number", "监护人与被查询人是同一人", "the guardian is the person"
    ),
    "guardian_minor": Wording("guardian_document_number", "监护人未满 18 周岁", "the guardian is under 18"),
    "consent_by_guardian": Wording(
        "consent_by", "未满 18 周岁须由监护人授权", "consent for a person under 18 must be the guardian's"
    ),
    "consent_before_birth": Wording("consent_date", "授权日期早于出生日期", "the consent is older than the person"),
    "application_too_large": Wording(
        "person_count",
        "按此附表,一份申请最多 {limit} 人,请分次申请",
        "with this schedule an application holds at most {limit} persons; file several",
    ),
    "envelope_conflict": Wording(
        "form", "编号相同的另一份报文已先收到", "another message with the same id came before"
    ),
    # ---- the rules (Art. 11, 14)
    "category_not_for_purpose": Wording(
        "category",
        "按规则，“{business}”业务不得查询“{category}”",
        "by the rules, {business} may not ask for {category}",
    ),
    "rules_too_many_persons": Wording(
        "person_count", "按规则，一份申请最多 {limit} 人", "by the rules, an application has at most {limit} persons"
    ),
    "business_category_unlisted": Wording(
        "business_category",
        "业务类别“{business}”不在规则所列之中，须经人工审核",
        "the rules do not list the business category {business}: an officer decides",
    ),
    "category_unlisted": Wording(
        "category",
        "内容类别“{category}”不在规则所列之中，须经人工审核",
        "the rules do not list the category {category}: an officer decides",
    ),
    "hold_business_category": Wording(
        "business_category",
        "业务类别“{business}”须经人工审核",
        "the business category {business} is for an officer to decide",
    ),
    "hold_persons": Wording(
        "person_count",
        "人数超过 {limit} 人，须经人工审核",
        "there are more than {limit} persons: an officer decides",
    ),
    "hold_unit_level": Wording(
        "unit_consent",
        "市、县单位的申请（{level}）须经人工审核",
        "an application of a {level} is for an officer to decide",
    ),
    "calendar_unknown": Wording(
        "schedule",
        "{year} 年的工作日安排尚未录入，期限无法计算，须经人工审核",
        "the working days of {year} are not known here, so no limit can be counted: an officer decides",
    ),
    "hold_recheck": Wording("form", "复核申请须经人工审核", "a re-check is for an officer to decide"),
    "hold_seal_to_center": Wording(
        "seal_to_center",
        "结果同时提交部中心解封，须经人工审核",
        "the results are sealed to the center too: an officer decides",
    ),
    "hold_guarded": Wording(
        "roster",
        "由监护人代为授权的有 {count} 人，超过千分之 {limit}，须经人工审核",
        "{count} persons are under a guardian, more than {limit} in 1,000: an officer decides",
    ),
    "hold_undocumented": Wording(
        "roster",
        "无证件的有 {count} 人，超过千分之 {limit}，须经人工审核",
        "{count} persons have no document, more than {limit} in 1,000: an officer decides",
    ),
    "hold_purpose": Wording(
        "purpose",
        "用途中有“{word}”字样，须经人工审核",
        "the purpose has the word {word}: an officer decides",
    ),
    # ---- what only the center can find
    "section_unreadable": Wording(
        "roster", "第 {section} 分段无法读取（{reason}）", "section {section} cannot be read ({reason})"
    ),
    "mandate_differs": Wording("form", "申请表与签名委托的“{key}”不一致", "form and signed mandate differ in {key}"),
    "release_unknown": Wording(
        "schedule", "资源目录第 {release} 版不存在或已失效", "catalog release {release} does not exist any more"
    ),
    "release_superseded": Wording(
        "schedule",
        "资源目录第 {release} 版已被第 {current} 版取代，请按现行目录填写",
        "catalog release {release} is replaced by release {current}: write the schedule against the one in force",
    ),
    "faults_more": Wording("roster", "另有 {count} 处错误未列出", "{count} faults more are not listed"),
    "sections_missing": Wording("roster", "未收到第 {sections} 分段", "sections {sections} never arrived"),
    "sections_differ": Wording(
        "form", "各分段所附的申请表不一致", "the sections do not all bring the same form"
    ),
    "number_in_two_sections": Wording(
        "number",
        "第 {first} 分段和第 {second} 分段中有相同的序号",
        "sections {first} and {second} have the same roster number",
    ),
    "person_in_two_sections": Wording(
        "document_number",
        "第 {second} 分段第 {position} 人已在第 {first} 分段中",
        "person {position} of section {second} is in section {first} already",
    ),
    # ---- the officer's desk (Art. 9, 10)
    "held_by_officer": Wording(
        "form", "审核人员待核实：{reason}", "an officer has to look into it: {reason}"
    ),
    "hold_officer": Wording(
        "form", "审核人员待核实，事由已告知申请单位", "an officer has to look into it; the requester was told why"
    ),
    "act_reason_number": Wording(
        "form",
        "所报事由中有证件号码一类的长数字，未予转送，请改用名册序号（摘要 {digest}）",
        "the reason holds a number as long as a person's; it was not passed on: give roster numbers (digest {digest})",
    ),
    "act_lapsed": Wording(
        "form",
        "签名已过有效期或签名证书已吊销，未予受理，如仍需要请重新提交（摘要 {digest}）",
        "it was signed too long ago, or under a certificate that is revoked or over: do it again if it is still wanted (digest {digest})",
    ),
    "refused_by_officer": Wording(
        "form", "部中心经审核予以拒绝：{reason}", "an officer of the center refused it: {reason}"
    ),
    "mandate_over": Wording(
        "mandate", "待审期间委托已过有效期，请重新提交", "the mandate ran out while the application was held: file it again"
    ),
    "start_delayed_closed": Wording(
        "form",
        "部中心不能按期启动查询，申请单位不同意延期",
        "the center could not start in time, and the requester closed the application instead of waiting",
    ),
    "delay_unknown": Wording(
        "form", "所答复的延期通知不存在，或已有新的通知", "there is no such delay to reply to, or a newer one has come"
    ),
    "delay_over": Wording(
        "form", "所答复的延期通知已不需要答复", "the delay needs no reply any more"
    ),
    "delay_too_often": Wording(
        "form", "同一内容的延期通知已达三次，不再受理", "three delays were told of these rows; no more are heard"
    ),
    "delay_until": Wording(
        "form", "商定的期限应晚于现在，且不晚于通知的期限", "the time agreed must lie ahead, and not after the one told"
    ),
    # ---- a re-check (复核, Art. 10)
    "recheck_original": Wording("recheck", "原申请编号不是 UUID", "the original's id is not a UUID"),
    "recheck_attempt_number": Wording(
        "recheck", "复核次数应为 2 至 {limit}", "the attempt of a re-check is 2 to {limit}"
    ),
    "recheck_origin_invalid": Wording(
        "recheck",
        "不能证明所复核的人员和内容出自原申请",
        "there is no proof that persons and rows are those of the original application",
    ),
    "recheck_beyond_original": Wording(
        "recheck",
        "复核超出原申请的人员、内容、用途或委托单位",
        "the re-check goes beyond the original's persons, rows, purpose or entrusting unit",
    ),
    "recheck_original_unknown": Wording(
        "recheck",
        "本单位没有这份原申请，或已超过保存期限",
        "there is no such application of this requester, or not any more",
    ),
    "recheck_not_certified": Wording(
        "recheck",
        "原申请没有完整性证明，不能复核（状态：{state}）",
        "the original has no certificate to be disputed (state: {state})",
    ),
    "recheck_of_recheck": Wording(
        "recheck", "原申请本身是复核，请复核最初的申请", "the original is a re-check itself: dispute the first application"
    ),
    "recheck_mandate": Wording("recheck", "与原申请的签名委托不符", "it names another mandate than the original's"),
    "recheck_certificate": Wording(
        "recheck",
        "所异议的不是原申请最新的完整性证明",
        "what it disputes is not the newest certificate of the original",
    ),
    "recheck_attempt": Wording(
        "recheck",
        "复核次数为 {stated}，应不小于 {expected}",
        "it says that it is attempt {stated}; the next one is {expected} at least",
    ),
    "recheck_too_many": Wording(
        "recheck", "已复核 {limit} 次，须由工作人员处理", "there were {limit} attempts: that is for officers to settle"
    ),
    "extension_not_later": Wording(
        "form",
        "商定的期限应晚于原反馈期限",
        "the time agreed must lie after the deadline that stands",
    ),
    "extension_beyond_mandate": Wording(
        "form",
        "商定的期限超出委托的有效期（至 {not_after}）",
        "the time agreed is beyond the mandate's, which ends on {not_after}",
    ),
    "withdrawal_too_late": Wording(
        "form",
        "申请已办结或已退回，不能撤销",
        "the application is closed or rejected; it cannot be withdrawn any more",
    ),
    # ---- documents that the query rests on (Art. 9)
    "evidence_mandate_missing": Wording(
        "evidence", "没有审批机关委托书", "there is no mandate of the approving authority"
    ),
    "evidence_identity_missing": Wording("evidence", "没有身份证明材料", "there is no proof of identity"),
    "evidence_consent_missing": Wording("evidence", "没有授权书", "there is no consent letter"),
    "evidence_guardianship_missing": Wording(
        "evidence",
        "由监护人授权，但没有监护关系证明",
        "the guardian consented, and there is no proof of guardianship",
    ),
    "evidence_other_missing": Wording("evidence", "没有所要的其他材料", "the other document asked for is not there"),
    "evidence_number_unknown": Wording(
        "evidence", "有材料指向该序号，但名单中没有这个序号", "a document is about this number, which the roster does not have"
    ),
    "evidence_folder": Wording("evidence", "找不到材料文件夹，或无权读取", "the documents' folder is absent or may not be read"),
    "evidence_too_many": Wording("evidence", "材料超过 {limit} 份", "there are more than {limit} documents"),
    "evidence_file_name": Wording(
        "evidence",
        "按文件名排序的第 {position} 个文件，其文件名不是“序号-种类”（如 3-授权书.pdf），索引中也没有",
        "file {position} by name is neither named NUMBER-KIND (as 3-consent.pdf) nor in the index",
    ),
    "evidence_file_link": Wording(
        "evidence", "按文件名排序的第 {position} 个不是普通文件", "entry {position} by name is not a plain file"
    ),
    "evidence_file_type": Wording(
        "evidence",
        "按文件名排序的第 {position} 个文件不是 PDF、OFD、JPEG、PNG 或 TIFF，或内容与扩展名不符",
        "file {position} by name is no PDF, OFD, JPEG, PNG or TIFF, or its content is not what its name says",
    ),
    "evidence_file_size": Wording(
        "evidence",
        "按文件名排序的第 {position} 个文件为空，或超过 {limit} MiB",
        "file {position} by name is empty or larger than {limit} MiB",
    ),
    "evidence_file_repeated": Wording(
        "evidence",
        "按文件名排序的第 {position} 个文件与第 {first} 个内容相同",
        "file {position} by name has the same content as file {first}",
    ),
    "evidence_index_line": Wording(
        "evidence",
        "索引第 {line} 行应为“文件,种类,序号”，且文件在该文件夹中",
        "line {line} of the index must be file, kind, numbers, with a file of the folder",
    ),
    # ---- a report for the resource catalog (Art. 13)
    "catalog_nothing_new": Wording(
        "catalog", "报送内容与现行目录相同", "the report says nothing that the catalog does not say already"
    ),
    "catalog_too_many": Wording("catalog", "报送的类别超过 {limit} 个", "more than {limit} categories are reported"),
    "catalog_foreign": Wording(
        "catalog", "“{category}”的提供方不是报送单位", "{category} is not offered by the party that reports it"
    ),
    "catalog_twice": Wording("catalog", "“{category}”列出了两次", "{category} is listed twice"),
    "catalog_entry_invalid": Wording(
        "catalog", "“{category}”的项目 {key} 填写不符合要求", "{key} of {category} is not as it must be"
    ),
    "catalog_region_foreign": Wording(
        "catalog",
        "“{category}”的覆盖区域（{codes}）不在本区域内",
        "{category} covers regions outside the party's own area: {codes}",
    ),
    "catalog_version": Wording(
        "catalog",
        "“{category}”有变更，版本号应大于 {version}；没有变更的，版本号不得减小",
        "{category} is changed and needs a version above {version}; if not changed, one that is not below it",
    ),
    "catalog_name_differs": Wording(
        "catalog",
        "“{category}”的名称应为“{others}”，报送的是“{given}”",
        "{category} is called “{others}”, not “{given}”",
    ),
    "catalog_name_taken": Wording(
        "catalog", "名称“{given}”已用于类别 {other}", "the name “{given}” is that of the category {other} already"
    ),
    "catalog_not_listed": Wording(
        "catalog",
        "现行目录中有“{category}”，报送文件未列出，也未申请停止提供",
        "the catalog has {category}; the file neither lists it nor is it to be retired",
    ),
    "catalog_retire_unknown": Wording(
        "catalog", "现行目录中没有“{category}”，无从停止提供", "the catalog has no {category} that could be retired"
    ),
    "catalog_retire_listed": Wording(
        "catalog", "“{category}”既列出又申请停止提供", "{category} is both listed and to be retired"
    ),
}  # fmt: skip


def fault(code: str, number: int | None = None, row: int | None = None, *, field: str = "", **args: object) -> Fault:
    """One reason, by its code; `number` points into the roster, `row` into the schedule, `field` moves it elsewhere.

    Raises KeyError for a code outside the table and ValueError when `args` are not the wording's placeholders.
    """
    wording = FAULTS[code]
    if args.keys() != wording.placeholders():
        raise ValueError(f"{code} takes {sorted(wording.placeholders())}, not {sorted(args)}")
    where = field or wording.field
    return {"code": code, "field": where, "number": number, "row": row, "args": {k: str(v) for k, v in args.items()}}


def shown(text: str, limit: int = 40) -> str:
    """Text of the form that a fault may repeat (a key, a column, a category): short, printable, no long numbers."""
    printable = "".join(c if unicodedata.category(c)[0] not in "CZ" or c == " " else "?" for c in text.strip())
    masked = re.sub(r"\d{6,}", "…", unicodedata.normalize("NFKC", printable))
    return masked if len(masked) <= limit else masked[: limit - 1] + "…"

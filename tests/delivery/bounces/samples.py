"""Messages that come back, written for these tests in the shapes that real mail systems send."""

import base64
import quopri
from email.header import Header
from typing import NamedTuple

US = "germane@lists.example.net"
THEM = "anna.koch@clinic.example.org"

Fates = dict[str, str]


class Sample(NamedTuple):
    name: str
    raw: bytes
    kind: str
    recipients: Fates


RETURNED = f"""Return-Path: <{US}>
Received: from lists.example.net (lists.example.net [192.0.2.1])
\tby mx.example.org (Postfix) with ESMTPS id 4XyZ
From: Breathe Well <{US}>
To: Anna Koch <{THEM}>
Subject: Six things for you this week
Message-ID: <w48.abcd@lists.example.net>
List-Id: Breathe Well <breathe-well.lists.example.net>
Date: Mon, 23 Nov 2026 07:30:00 +0000

Dear Anna, please write to editor@journal.example.com about spam policy and a full mailbox.
"""


def plain(subject: str, body: str, *, sender: str = "MAILER-DAEMON@mx.example.org", charset: str = "utf-8",
          encoding: str = "8bit", kind: str = "text/plain", **headers: str) -> bytes:  # fmt: skip
    octets = body.encode(charset)
    if encoding == "base64":
        octets = base64.encodebytes(octets)
    elif encoding == "quoted-printable":
        octets = quopri.encodestring(octets)
    lines = [f"From: {sender}", f"To: {US}", f"Subject: {_word(subject, charset)}", "Date: Mon, 23 Nov 2026 07:31:00 +0000",
             "Message-ID: <1@mx.example.org>", "MIME-Version: 1.0", f'Content-Type: {kind}; charset="{charset}"',
             f"Content-Transfer-Encoding: {encoding}"]  # fmt: skip
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + octets.replace(b"\n", b"\r\n")


def _word(text: str, charset: str) -> str:
    return text if text.isascii() else Header(text, charset, maxlinelen=400).encode()


def report(status: str, prose: str = "Your message could not be delivered.", *, kind: str = "report", sender: str =
           '"Mail Delivery System" <MAILER-DAEMON@mx.example.org>', subject: str = "Undelivered Mail Returned to Sender",
           returned: str = RETURNED, **headers: str) -> bytes:  # fmt: skip
    report_type = "; report-type=delivery-status" if kind == "report" else ""
    extra = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in headers.items())
    return f"""Return-Path: <>
From: {sender}
To: {US}
Subject: {subject}
{extra}MIME-Version: 1.0
Content-Type: multipart/{kind}{report_type}; boundary="b1"

This is a MIME-encapsulated message.

--b1
Content-Type: text/plain; charset=us-ascii

{prose}

--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org
Arrival-Date: Mon, 23 Nov 2026 07:30:00 +0000

{status}

--b1
Content-Type: message/rfc822

{returned}
--b1--
""".replace("\n", "\r\n").encode()


def fields(address: str, action: str, status: str, diagnostic: str = "", original: str = "") -> str:
    lines = [f"Final-Recipient: rfc822; {address}"]
    lines += [f"Original-Recipient: rfc822;{original}"] if original else []
    lines += [f"Action: {action}", f"Status: {status}"]
    return "\n".join([*lines, f"Diagnostic-Code: smtp; {diagnostic}"] if diagnostic else lines)


def feedback(kind: str, *fields: str, returned: str = RETURNED) -> bytes:
    lines = "\n".join([f"Feedback-Type: {kind}", "User-Agent: SomeGenerator/1.0", "Version: 1", *fields])
    return f"""From: <abusedesk@provider.example>
To: <{US}>
Subject: FW: Six things for you this week
MIME-Version: 1.0
Content-Type: multipart/report; report-type=feedback-report; boundary="b2"

--b2
Content-Type: text/plain

This is an email abuse report for an email message received from IP 192.0.2.1

--b2
Content-Type: message/feedback-report

{lines}

--b2
Content-Type: message/rfc822

{returned}
--b2--
""".replace("\n", "\r\n").encode()


OTHER = "bo@ward.example.org"

STRUCTURED = [
    Sample("postfix: unknown", report(fields(THEM, "failed", "5.1.1", f"550 5.1.1 <{THEM}>: Recipient address rejected: User unknown")), "bounce", {THEM: "hard"}),
    Sample("5.1.1 and full", report(fields(THEM, "failed", "5.1.1", "550 5.1.1 mailbox full")), "bounce", {THEM: "soft"}),
    Sample("5.2.2", report(fields(THEM, "failed", "5.2.2", "552 5.2.2 Over quota")), "bounce", {THEM: "soft"}),
    Sample("suspended", report(fields(THEM, "failed", "5.2.1", "550 5.2.1 The account is temporarily suspended")), "bounce", {THEM: "soft"}),
    Sample("expired with action failed", report(fields(THEM, "failed", "4.4.1", "connect to mx.example.org[192.0.2.2]:25: Connection timed out")), "bounce", {THEM: "soft"}),
    Sample("delayed", report(fields(THEM, "delayed", "4.4.1", "connection refused"), subject="Delayed Mail (still being retried)"), "bounce", {THEM: "soft"}),
    Sample("no such domain", report(fields(THEM, "failed", "5.4.4", "Host or domain name not found. Name service error for name=clinic.example.org type=A: Host not found")), "bounce", {THEM: "hard"}),
    Sample("null MX", report(fields(THEM, "failed", "5.1.10", "556 5.1.10 Domain does not accept mail (nullMX)")), "bounce", {THEM: "hard"}),
    Sample("spam", report(fields(THEM, "failed", "5.7.1", "554 5.7.1 Message rejected as spam by content filtering")), "bounce", {THEM: "soft"}),
    Sample("Microsoft's authentication rule", report(fields(THEM, "failed", "5.7.515", "550 5.7.515 Access denied, sending domain does not meet the required authentication level")), "bounce", {THEM: "soft"}),
    Sample("blocked with 5.1.1", report(fields(THEM, "failed", "5.1.1", "550 5.1.1 blocked using zen.spamhaus.org")), "bounce", {THEM: "soft"}),
    Sample("sender refused", report(fields(THEM, "failed", "5.1.8", "550 5.1.8 Sender address rejected: Domain not found")), "bounce", {THEM: "soft"}),
    Sample("relay", report(fields(THEM, "failed", "5.7.1", "554 5.7.1 Relay access denied")), "bounce", {THEM: "soft"}),
    Sample("too large", report(fields(THEM, "failed", "5.3.4", "552 5.3.4 Message size exceeds fixed limit")), "bounce", {THEM: "soft"}),
    Sample("hop count", report(fields(THEM, "failed", "5.4.6", "554 5.4.6 Too many hops")), "bounce", {THEM: "soft"}),
    Sample("nothing tells", report(fields(THEM, "failed", "5.0.0")), "bounce", {THEM: "unknown"}),
    Sample("no status at all", report(f"Final-Recipient: rfc822; <{THEM}>\nAction: failed"), "bounce", {THEM: "unknown"}),
    Sample("alias, the original is named", report(fields("akoch@internal.example.org", "failed", "5.1.1", "550 5.1.1 no such user", original=THEM)), "bounce", {THEM: "hard"}),
    Sample("alias, only prose names the member", report(fields("akoch@internal.local", "failed", "5.1.1"), f"Delivery has failed to these recipients:\n\n{THEM}\n"), "bounce", {THEM: "hard"}),
    Sample("two fates", report(fields(THEM, "failed", "5.1.1", "550 5.1.1 User unknown") + "\n\n" + fields(OTHER, "failed", "5.2.2", "452 4.2.2 Mailbox full") + "\n\n" + fields("well@example.org", "delivered", "2.0.0")), "bounce", {THEM: "hard", OTHER: "soft"}),
    Sample("mixed instead of report", report(fields(THEM, "failed", "5.1.1", "550 user unknown"), kind="mixed"), "bounce", {THEM: "hard"}),
    Sample("marked auto-replied", report(fields(THEM, "failed", "5.1.1", "550 user unknown"), Auto_Submitted="auto-replied"), "bounce", {THEM: "hard"}),
    Sample("delivered", report(fields(THEM, "delivered", "2.0.0"), "Your message was successfully delivered.", subject="Successful Mail Delivery Report"), "other", {}),
    Sample("relayed", report(fields(THEM, "relayed", "2.0.0"), "Your message was relayed.", subject="Delivery Status Notification (Relay)"), "other", {}),
    Sample("status only in a text part", plain("Delivery Status Notification (Failure)", f"The following failed.\n\nFinal-Recipient: rfc822;{THEM}\nAction: failed\nStatus: 5.1.1\n", sender="postmaster@mail.example.org"), "bounce", {THEM: "hard"}),
    Sample("an international address", report("Final-Recipient: utf-8; k\\x{E4}fer@example.org\nAction: failed\nStatus: 5.1.1"), "bounce", {"käfer@example.org": "hard"}),
]  # fmt: skip


STRUCTURED += [
    Sample("fields in a report that has lost its parts", report(fields(THEM, "failed", "5.5.0"), f"   ----- The following addresses had permanent fatal errors -----\n<{THEM}>\n\n   ----- Transcript of session follows -----\nmail.local: unknown user: anna\n554 <{THEM}>... Service unavailable").replace(b"--b1", b""), "bounce", {THEM: "hard"}),
]  # fmt: skip


def qmail(reason: str) -> str:
    return f"""Hi. This is the qmail-send program at mx.example.org.
I'm afraid I wasn't able to deliver your message to the following addresses.
This is a permanent error; I've given up. Sorry it didn't work out.

<{THEM}>:
{reason}

--- Below this line is a copy of the message.

{RETURNED}"""


def exim(reason: str) -> str:
    return f"""This message was created automatically by mail delivery software.

A message that you sent could not be delivered to one or more of its
recipients. This is a permanent error. The following address(es) failed:

  {THEM}
    {reason}

------ This is a copy of the message, including all the headers. ------

{RETURNED}"""


HTML = f"""<html><head><title>Undeliverable</title><style>p {{ color: red }}</style></head><body><p>Your message to
<a href="mailto:{THEM}">{THEM}</a> couldn't be delivered.</p><p>anna.koch wasn't found at clinic.example.org.</p></body></html>"""

PROSE = [
    Sample("qmail", plain("failure notice", qmail("Sorry, no mailbox here by that name. (#5.1.1)")), "bounce", {THEM: "hard"}),
    Sample("qmail: full", plain("failure notice", qmail("192.0.2.9 does not like recipient.\nRemote host said: 552 Mailbox is over quota")), "bounce", {THEM: "soft"}),
    Sample("exim", plain("Mail delivery failed: returning message to sender", exim(f"SMTP error from remote mail server after RCPT TO:<{THEM}>:\n    host mx.example.org [192.0.2.2]: 550 5.1.1 unknown user"), sender="Mail Delivery System <Mailer-Daemon@relay.example.net>", Auto_Submitted="auto-replied"), "bounce", {THEM: "hard"}),
    Sample("exim: expired", plain("Mail delivery failed: returning message to sender", exim("retry timeout exceeded"), X_Failed_Recipients=THEM), "bounce", {THEM: "soft"}),
    Sample("HTML only", plain("Undeliverable: Six things for you", HTML, kind="text/html", sender="postmaster@clinic.example.org"), "bounce", {THEM: "hard"}),
    Sample("base64", plain("Undeliverable mail", f"The following address failed:\n<{THEM}>: 550 No such user here\n", encoding="base64"), "bounce", {THEM: "hard"}),
    Sample("quoted-printable", plain("Undeliverable mail", f"The following address failed:\n<{THEM}>: 550 No such user here\n", encoding="quoted-printable"), "bounce", {THEM: "hard"}),
    Sample("no From", plain("Returned mail: User unknown", f"   ----- The following addresses had permanent fatal errors -----\n<{THEM}>\n\n   ----- Transcript of session follows -----\n550 5.1.1 <{THEM}>... User unknown\n").replace(b"From: MAILER-DAEMON@mx.example.org\r\n", b""), "bounce", {THEM: "hard"}),
    Sample("delayed, no DSN", plain("Warning: message delayed 4 hours", f"Your message to <{THEM}> has been delayed.\nIt will be retried; you do not need to resend it.\n"), "bounce", {THEM: "soft"}),
    Sample("Domino", plain("DELIVERY FAILURE: User anna not listed in Domino Directory", f"Your message\n\n  Subject: Six things\n\nwas not delivered to:\n\n  {THEM}\n\nbecause:\n\n  User anna ({THEM}) not listed in Domino Directory\n", sender="postmaster@clinic.example.org"), "bounce", {THEM: "hard"}),
    Sample("French", plain("Non remis : Six choses", f"Votre message n'a pas pu être remis au destinataire suivant :\n\n{THEM}\n\nL'adresse n'existe pas.\n", charset="iso-8859-1", sender="postmaster@clinic.example.org"), "bounce", {THEM: "hard"}),
    Sample("German", plain("Unzustellbar: Sechs Dinge", f"Ihre Nachricht an {THEM} konnte nicht zugestellt werden: Unbekannter Empfänger.\n", charset="iso-8859-15", sender="Postmaster <postmaster@klinik.example.org>"), "bounce", {THEM: "hard"}),
    Sample("German: full", plain("Nicht zustellbar", f"Die E-Mail an <{THEM}> konnte nicht zugestellt werden.\nDas Postfach des Empfängers ist voll.\n", charset="windows-1252"), "bounce", {THEM: "soft"}),
    Sample("Spanish", plain("No se puede entregar: Seis cosas", f"No se pudo entregar el mensaje a los siguientes destinatarios:\n\n{THEM}\n\nUsuario desconocido\n", charset="iso-8859-1"), "bounce", {THEM: "hard"}),
    Sample("Italian", plain("Mancato recapito", f"Impossibile recapitare il messaggio al destinatario {THEM}\nCasella di posta piena\n", charset="iso-8859-1"), "bounce", {THEM: "soft"}),
    Sample("Portuguese", plain("Falha na entrega", f"A mensagem não pôde ser entregue ao destinatário {THEM}: usuário desconhecido\n", charset="iso-8859-1"), "bounce", {THEM: "hard"}),
    Sample("Russian, KOI8-R", plain("Недоставленное сообщение", f"Ваше письмо не может быть доставлено получателю:\n\n{THEM}\n\nНет такого пользователя\n", charset="koi8-r"), "bounce", {THEM: "hard"}),
    Sample("Russian, windows-1251, full", plain("Письмо не доставлено", f"Письмо для {THEM} не доставлено: почтовый ящик переполнен\n", charset="windows-1251"), "bounce", {THEM: "soft"}),
    Sample("Polish", plain("Zwrot do nadawcy", f"Wiadomość nie została dostarczona do {THEM}: nieznany użytkownik\n", charset="iso-8859-2"), "bounce", {THEM: "hard"}),
    Sample("Japanese, ISO-2022-JP", plain("配信エラー", f"以下のメールアドレスへの送信に失敗しました。\n{THEM}\n\n宛先のユーザーが見つかりません。\n", charset="iso-2022-jp", encoding="7bit"), "bounce", {THEM: "hard"}),
    Sample("Japanese, Shift_JIS, full", plain("メールを配信できません", f"<{THEM}> へのメールを配信できませんでした。\nメールボックスの容量を超えています。\n", charset="shift_jis"), "bounce", {THEM: "soft"}),
    Sample("Chinese, GB18030", plain("系统退信", f"您的邮件无法送达收件人 {THEM}\n原因：收件人不存在\n", charset="gb18030"), "bounce", {THEM: "hard"}),
    Sample("Chinese, Big5", plain("退信通知", f"您的郵件無法送達 {THEM}\n原因：信箱已滿\n", charset="big5"), "bounce", {THEM: "soft"}),
    Sample("Korean", plain("반송: 여섯 가지", f"다음 수신자에게 메일을 전송하지 못했습니다.\n{THEM}\n존재하지 않는 사용자입니다.\n", charset="euc-kr"), "bounce", {THEM: "hard"}),
    Sample("Japanese in UTF-7", plain("Undeliverable", f"<{THEM}>: 宛先不明\n配信できませんでした\n", charset="utf-7", encoding="7bit"), "bounce", {THEM: "hard"}),
    Sample("a charset nobody knows", plain("Undeliverable", f"<{THEM}>: no such user\n").replace(b"utf-8", b"x-klingon-7"), "bounce", {THEM: "hard"}),
]  # fmt: skip

COMPLAINTS = [
    Sample("abuse", feedback("abuse", f"Original-Rcpt-To: <{THEM}>"), "complaint", {THEM: "unknown"}),
    Sample("redacted", feedback("abuse", "Original-Rcpt-To: redacted@provider.example", returned="From: a@b.example\n\nhello"), "complaint", {}),
    Sample("fraud", feedback("fraud", f"Original-Rcpt-To: {THEM}"), "complaint", {THEM: "unknown"}),
    Sample("opt-out", feedback("opt-out", f"Original-Rcpt-To: {THEM}"), "complaint", {THEM: "unknown"}),
    Sample("auth-failure is a report to the sender", feedback("auth-failure", "Auth-Failure: spf"), "other", {}),
    Sample("not-spam", feedback("not-spam", f"Original-Rcpt-To: {THEM}"), "other", {}),
    Sample("virus", feedback("virus", f"Original-Rcpt-To: {THEM}"), "other", {}),
    Sample("Hotmail", f"From: staff@hotmail.com\nTo: {US}\nSubject: complaint about message from 192.0.2.1\nContent-Type: multipart/mixed; boundary=h\n\n--h\nContent-Type: message/rfc822\n\nX-HmXmrOriginalRecipient: {THEM}\n{RETURNED}\n--h--\n".encode(), "complaint", {THEM: "unknown"}),
]  # fmt: skip


def person(subject: str, body: str, **headers: str) -> bytes:
    return plain(subject, body, sender="Anna Koch <anna.koch@clinic.example.org>", **headers)


AUTOMATIC = [
    Sample("header", person("Re: Six things", "I am away.", Auto_Submitted="auto-replied (vacation)"), "autoreply", {}),
    Sample("null return path", person("Re: Six things", "I have left; write to my successor bo@ward.example.org.", Return_Path="<>", Auto_Submitted="auto-replied"), "autoreply", {}),
    Sample("X-Autoreply", person("Six things", "Thank you.", X_Autoreply="yes"), "autoreply", {}),
    Sample("Precedence", person("Six things", "Thank you.", Precedence="auto_reply"), "autoreply", {}),
    *(Sample(subject, person(subject, text), "autoreply", {}) for subject, text in (
        ("Automatic reply: Six things", "I am out of the office until Monday."),
        ("Out of Office: Anna Koch", "Back on 3 December; in urgent cases call the ward."),
        ("Automatische Antwort: Sechs Dinge", "Ich bin abwesend. Unzustellbar bin ich nicht."),
        ("Réponse automatique : Six choses", "Je suis absente du bureau."),
        ("Respuesta automática: Seis cosas", "Estoy fuera de la oficina."),
        ("Risposta automatica: Sei cose", "Sono assente."),
        ("Automatisch antwoord: Zes dingen", "Ik ben afwezig."),
        ("Autosvar: Sex saker", "Jag är inte på kontoret."),
        ("Автоответ: Шесть вещей", "Я в отпуске."),
        ("自動返信: 不在のお知らせ", "休暇をいただいております。"),
        ("自动回复：六件事", "我正在休假。"),
        ("Odpowiedź automatyczna: Sześć rzeczy", "Jestem na urlopie."),
    )),
]  # fmt: skip

_DSN_QUOTED = (
    "> <anna@clinic.example.org>: host mx.example.org said: 550 5.1.1\n> User unknown (in reply to RCPT TO command)\n"
)

ORDINARY = [
    Sample("a person", person("Stroke nurses wanted", "Does anybody know a stroke nurse? bo@ward.example.org asks."), "other", {}),
    Sample("asks about a bounce", person("Re: Undelivered Mail Returned to Sender", f"Why did I get this?\n\n{_DSN_QUOTED}"), "other", {}),
    Sample("forwards a bounce", person("Fwd: Mail delivery failed: returning message to sender", f"See below: the message could not be delivered.\n\n---- Forwarded ----\n{exim('550 unknown user')}"), "other", {}),
    Sample("a bounce as attachment", b"From: Bo <bo@ward.example.org>\r\nTo: x@example.net\r\nSubject: FW: Undeliverable: your mail\r\nContent-Type: multipart/mixed; boundary=q\r\n\r\n--q\r\nContent-Type: text/plain\r\n\r\nWhat is this?\r\n--q\r\nContent-Type: message/rfc822\r\n\r\n" + STRUCTURED[0].raw + b"\r\n--q--\r\n", "other", {}),
    Sample("a list's discussion", person("[postfix-users] Undelivered Mail Returned to Sender", f"My Postfix says:\n\n{_DSN_QUOTED}", List_Id="<postfix-users.example.org>", Precedence="list"), "other", {}),
    Sample("a newsletter on bounces", plain("Ten reasons why mail is undeliverable", "A mailbox may be full, the user unknown (550 5.1.1).", sender="News <news@esp.example>", List_Unsubscribe="<https://esp.example/u>"), "other", {}),
    Sample("a read receipt", b"From: Anna <anna.koch@clinic.example.org>\r\nSubject: Read: Six things\r\nContent-Type: multipart/report; report-type=disposition-notification; boundary=m\r\n\r\n--m\r\nContent-Type: text/plain\r\n\r\nYour message was read.\r\n--m\r\nContent-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822; anna.koch@clinic.example.org\r\nDisposition: manual-action/MDN-sent-manually; displayed\r\n--m--\r\n", "other", {}),
    Sample("not read", b"From: Anna <anna.koch@clinic.example.org>\r\nSubject: Not read: Six things\r\nContent-Type: multipart/report; report-type=disposition-notification; boundary=m\r\n\r\n--m\r\nContent-Type: text/plain\r\n\r\nYour message was deleted without being read.\r\n--m\r\nContent-Type: message/disposition-notification\r\n\r\nFinal-Recipient: rfc822; anna.koch@clinic.example.org\r\nDisposition: automatic-action/MDN-sent-automatically; deleted\r\n--m--\r\n", "other", {}),
    Sample("a calendar invitation", plain("Invitation: Ward round", "BEGIN:VCALENDAR\nMETHOD:REQUEST\nATTENDEE:mailto:bo@ward.example.org\nEND:VCALENDAR\n", sender="calendar-notification@example.com", kind="text/calendar", Auto_Submitted="auto-generated"), "other", {}),
    Sample("a challenge", plain("Please confirm your message", "Your message to anna@clinic.example.org is held until you confirm it: https://cr.example/x", sender="confirm@cr.example", Auto_Submitted="auto-generated"), "other", {}),
    Sample("a subscription to confirm", plain("Confirm your subscription", "Reply to confirm. If you did not ask for this, ignore it.", sender="list-request@example.org", Precedence="bulk"), "other", {}),
    Sample("a monitor's alarm", plain("PROBLEM: disk full on mx1", "DISK CRITICAL - free space: / 12 MB. root@mx1.example.org", sender="nagios@example.org", Auto_Submitted="auto-generated"), "other", {}),
    Sample("a postmaster writes", plain("Maintenance on Sunday", "The mail server will be down from 6 to 7. Questions to helpdesk@example.org.", sender="Postmaster <postmaster@example.org>"), "other", {}),
    Sample("a postmaster's answer", plain("Re: Question", "Thank you for writing to postmaster@example.org. You can reach us at help@example.org.\n\n-----Original Message-----\nFrom: x\n", sender="Postmaster <postmaster@example.org>", Auto_Submitted="auto-replied", Return_Path="<>"), "autoreply", {}),
    Sample("a full mailbox of one's own", plain("Your mailbox is almost full", f"Your mailbox {US} is full. Please delete some mail, or nothing more can be received.", sender="System Administrator <postmaster@lists.example.net>"), "other", {}),
    Sample("a quarantine", plain("Spam quarantine summary", "These messages were held for you:\n\nbo@ward.example.org  Cheap watches  was blocked\nmo@ward.example.org  Win now  was blocked\n", sender="Mail Gateway <postmaster@lists.example.net>"), "other", {}),
    Sample("somebody who moved", person("Re: Six things", "This address does not exist any more; please write to bo@ward.example.org from now on.", Return_Path="<>"), "other", {}),
    Sample("a copied bounce", person("Undelivered Mail Returned to Sender", f"What is this?\n\n<{OTHER}>: host mx.example.org said: 550 5.1.1 User unknown\n"), "other", {}),
    Sample("a copied report", person("Undelivered Mail Returned to Sender", f"What is this?\n\nFinal-Recipient: rfc822; {OTHER}\nAction: failed\nStatus: 5.1.1\n"), "other", {}),
    Sample("a help desk asks", plain("Undeliverable: your mail", f"We got this: <{OTHER}> 550 no such user. Can you look?\n", sender="Help desk <help@example.org>"), "other", {}),
    Sample("a ticket", plain("[#1] Mail delivery failed: returning message to sender", f"A message could not be delivered to {OTHER}\n", sender="Support <support@example.org>", Auto_Submitted="auto-generated"), "other", {}),
    Sample("leave", plain("leave", "leave", sender="anna.koch@clinic.example.org"), "other", {}),
    Sample("a parcel that could not be delivered", plain("Your parcel could not be delivered", "We could not deliver your parcel to 12 High Street. Write to help@parcels.example.", sender="Parcels <no-reply@parcels.example>"), "other", {}),
]  # fmt: skip

PROSE += [
    Sample("French: full", plain("Courrier non remis", f"Votre message n'a pas été délivré à l'adresse {THEM} : la boîte aux lettres est pleine.\n", charset="iso-8859-1"), "bounce", {THEM: "soft"}),
    Sample("Romanian", plain("Mesaj nelivrat", f"Mesajul nu a putut fi livrat către:\n\n{THEM}\n\nUtilizator inexistent\n"), "bounce", {THEM: "hard"}),
    Sample("Ukrainian", plain("Повідомлення не доставлено", f"Ваше повідомлення не може бути доставлене:\n\n{THEM}\n\nКористувача не знайдено\n", charset="koi8-u"), "bounce", {THEM: "hard"}),
    Sample("AOL: several full", plain("Mail Delivery Problem", "Your mail could not be delivered because these mailboxes are full:\n\n\tannakoch\n", sender="MAILER-DAEMON@aol.com"), "bounce", {"annakoch@aol.com": "soft"}),
    Sample("amavis", plain("Considered UNSOLICITED BULK EMAIL, apparently from you", f"A message from <{US}> to:\n-> {THEM}\n\nwas considered unsolicited bulk e-mail (UBE).\n\nDelivery of the email was stopped!\n", sender="Content-filter at mx.example.org <postmaster@mx.example.org>"), "bounce", {THEM: "soft"}),
    Sample("too frequent", report(fields(THEM, "failed", "5.0.0", "550 Ip frequency limited")), "bounce", {THEM: "soft"}),
    Sample("status without its type", report(fields(THEM, "failed", "5.1.1")).replace(b"message/delivery-status", b"application/octet-stream"), "bounce", {THEM: "hard"}),
    Sample("SES event publishing", plain("AWS Notification Message", f'{{"eventType": "Bounce", "bounce": {{"bounceType": "Transient", "bouncedRecipients": [{{"emailAddress": "{THEM}", "status": "4.2.2"}}]}}}}', sender="no-reply@sns.amazonaws.com"), "bounce", {THEM: "soft"}),
    Sample("Spanish: not found", plain("No se puede entregar: Seis cosas", f"No se pudo entregar el mensaje a {THEM}.\n\nNo se encontró anna.koch en clinic.example.org.\n", sender="postmaster@clinic.example.org"), "bounce", {THEM: "hard"}),
    Sample("Polish: not found", plain("Niedostarczone: Sześć rzeczy", f"Nie można dostarczyć wiadomości do {THEM}.\n\nNie znaleziono anna.koch.\n", sender="postmaster@clinic.example.org"), "bounce", {THEM: "hard"}),
    Sample("user, address, unknown", plain("Delivery Failure", f"Your message cannot be delivered to the following recipients:\n\n  {THEM}\n  Reason: 550 User {THEM} unknown\n"), "bounce", {THEM: "hard"}),
    Sample("sender, address, unknown", report(fields(THEM, "failed", "5.0.0", f"550 sender address {US} unknown")), "bounce", {THEM: "unknown"}),
    *(Sample(said, report(fields(THEM, "failed", status, said)), "bounce", {THEM: "soft"}) for status, said in (
        ("5.0.0", "550 Message Refused. Too many bad recipients"),
        ("5.0.0", "554 <unknown[192.0.2.1]>: Client host rejected: cannot find your hostname, [192.0.2.1]"),
        ("5.0.0", "550 Host unknown: your address has no reverse DNS"),
        ("5.0.0", "550 Verification failed for sender: no such user"),
        ("5.0.0", "554 No SMTP service here"),
        ("5.0.0", "554 The message does not conform: header From invalid"),
        ("5.0.0", "550 missing or invalid Message-ID header"),
        ("5.7.1", "550 5.7.1 URL in it not found acceptable"),
        ("5.7.1", "550 Recipient rejected, invalid content"),
    )),
    Sample("5.7.1, and yet unknown", report(fields(THEM, "failed", "5.7.1", "550 5.7.1 No such user!")), "bounce", {THEM: "hard"}),
    Sample("French: late", plain("Remise différée : Six choses", f"La remise de votre message à {THEM} est retardée.\n", sender="postmaster@clinic.example.org"), "bounce", {THEM: "soft"}),
    Sample("a content filter names its receiver", plain("Undelivered Mail", f"Receiver: {THEM}\nMessage rejected by content filter\nThe message could not be delivered.\n", sender="postmaster@clinic.example.org"), "bounce", {THEM: "soft"}),
    Sample("a carrier's own words", plain("Your message was not delivered", f"Your mail could not be delivered to: {THEM}\nAs their mailbox is full.\n", sender="no-reply@mobile.example"), "bounce", {THEM: "soft"}),
    Sample("postmaster, nobody named", plain("Undeliverable: Six things", "Your message could not be delivered.", sender="postmaster@clinic.example.org"), "bounce", {}),
]  # fmt: skip

COMPLAINTS += [
    Sample("a parameter after the type", feedback("Abuse; source=user", f"Original-Rcpt-To: {THEM}"), "complaint", {THEM: "unknown"}),
    Sample("SpamCop", plain("[SpamCop (192.0.2.1) id:7]Six things", f"[ SpamCop V5.5 ]\nEmail from 192.0.2.1\n\n[ Offending message ]\n{RETURNED}", sender="SpamCop <7@reports.spamcop.net>"), "complaint", {}),
]  # fmt: skip

ORDINARY += [
    Sample("a parcel, as servers put it", plain("Delivery failed: we could not deliver your parcel", "We were unable to deliver your parcel: the address does not exist. Please write to jo@parcels.example.", sender="Parcels <noreply@parcels.example>"), "other", {}),
    Sample("an order", plain("Delivery notification", "Your order could not be delivered to 5 High Street; write to jo@shop.example.", sender="smtp@shop.example"), "other", {}),
    Sample("bait with one's own address in its link", plain("Undelivered messages on your mailbox", f"You have 5 undelivered messages. Please log in: https://bait.example/?{US}\n", sender="Postmaster <postmaster@bait.example>"), "other", {}),
    Sample("a postmaster's statistics", plain("Weekly mail statistics", "Rejected 5 (550 user unknown). Top: jo@ward.example.org 12", sender="Postmaster <postmaster@example.org>"), "other", {}),
    Sample("letters", plain("Undeliverable mail: update your address", "Our letter to you was returned to sender. Write to jo@bank.example.", sender="noreply@bank.example"), "other", {}),
    Sample("a note on full mailboxes", plain("Mailbox full: how to clean up", "Several users have a mailbox full. Mail is being returned to sender. Write to help@example.org.", sender="System Administrator <admin@example.org>"), "other", {}),
]  # fmt: skip

ALL = [*STRUCTURED, *PROSE, *COMPLAINTS, *AUTOMATIC, *ORDINARY]

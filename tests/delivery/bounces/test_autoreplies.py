"""Automatic replies, modelled on what mail programs write in many languages, and what people write about the same things."""

from email.message import EmailMessage

import pytest

from delivery.bounces import classify

REPLIES: list[tuple[dict[str, str], str]] = [
    (
        {
            "Subject": "Automatic reply: Your weekly digest",
            "X-Auto-Response-Suppress": "All",
            "Auto-Submitted": "auto-generated",
        },
        "I am on leave until Monday. For urgent matters call reception.",
    ),
    ({"Subject": "Abwesenheitsnotiz: Ihre Nachricht"}, "Ich bin bis 12.12. nicht im Hause und lese keine E-Mails."),
    ({"Subject": "Urlaub"}, "Ich befinde mich im Urlaub und bin ab 3. Januar wieder da."),
    (
        {"Subject": "Re: Weekly digest", "Precedence": "bulk"},
        "Vielen Dank für Ihre Nachricht. Ich bin derzeit nicht erreichbar.",
    ),
    ({"Subject": "Réponse automatique : votre message"}, "Je suis en congé jusqu'au 5 janvier."),
    ({"Subject": "Absent(e) du bureau : Digest"}, "Bonjour, je serai de retour le 5 janvier."),
    ({"Subject": "Respuesta automática: Digest"}, "Estoy fuera de la oficina."),
    ({"Subject": "Fuera de la oficina"}, "No estaré disponible hasta el lunes."),
    ({"Subject": "Risposta automatica: Digest"}, "Sono in ferie fino al 3 gennaio."),
    ({"Subject": "In ferie"}, "Sono in ferie fino al 3 gennaio."),
    ({"Subject": "Resposta automática: Digest"}, "Estou de férias."),
    ({"Subject": "Automatisch antwoord: Digest"}, "Ik ben met vakantie."),
    ({"Subject": "Afwezigheidsbericht"}, "Ik ben afwezig tot 5 januari."),
    ({"Subject": "Autosvar: Digest"}, "Jag är på semester."),
    ({"Subject": "Ikke på kontoret"}, "Jeg er på ferie til den 5."),
    ({"Subject": "Fraværsmelding"}, "Jeg er på ferie."),
    ({"Subject": "Automaattinen vastaus: Digest"}, "Olen lomalla."),
    ({"Subject": "Poissaoloviesti"}, "Olen lomalla 5.1. asti."),
    ({"Subject": "Odpowiedź automatyczna: Digest"}, "Jestem na urlopie."),
    ({"Subject": "Automatická odpověď: Digest"}, "Jsem na dovolené."),
    ({"Subject": "Automatikus válasz: Digest"}, "Szabadságon vagyok."),
    ({"Subject": "Автоматический ответ: Digest"}, "Я в отпуске до 5 января."),
    ({"Subject": "Автоматична відповідь: Digest"}, "Я у відпустці."),
    ({"Subject": "Otomatik Yanıt: Digest"}, "Ofis dışındayım."),
    ({"Subject": "Αυτόματη απάντηση: Digest"}, "Είμαι εκτός γραφείου."),
    ({"Subject": "Răspuns automat: Digest"}, "Sunt în concediu."),
    ({"Subject": "自動返信：ありがとうございます"}, "不在にしております。"),
    ({"Subject": "【自動応答】お問い合わせ"}, "このメールは自動送信されています。"),
    ({"Subject": "自动回复: Digest"}, "您好，我正在休假。"),
    ({"Subject": "自動回覆: Digest"}, "我正在休假。"),
    ({"Subject": "자동 회신: Digest"}, "부재중입니다."),
    ({"Subject": "رد تلقائي: Digest"}, "أنا خارج المكتب."),
    ({"Subject": "תשובה אוטומטית: Digest"}, "אני בחופשה."),
    ({"Subject": "Ateb awtomatig: Digest"}, "Rwyf allan o'r swyddfa tan ddydd Llun."),
    ({"Subject": "Out until Monday Re: Six things", "Precedence": "bulk", "X-Autoreply": "yes"}, "Hi"),
    ({"Subject": "away from my mail", "Precedence": "junk"}, "I will not be reading my mail for a while."),
    ({"Subject": "Auto: Digest", "Auto-Submitted": "auto-replied (vacation)"}, "Gone."),
    ({"Subject": "[Ticket #12345] We have received your request", "Auto-Submitted": "auto-replied"}, "Thank you."),
    (
        {"Subject": "Your request has been received: Digest #4711", "Precedence": "bulk"},
        "Your request (#4711) is being reviewed by our staff. This is an automated message.",
    ),
    (
        {"Subject": "I no longer work here"},
        "I have left the organisation. Please contact reception@x.example. This is an automated reply.",
    ),
    (
        {"Subject": "Re: Digest", "Auto-Submitted": "auto-replied"},
        "I no longer work at the clinic. This mailbox is not monitored.",
    ),
    ({"Subject": "OOO: Digest"}, "Back on Monday"),
    (
        {"Subject": "AUTO: Ann Example is out of the office (returning 05/01/2010)"},
        "I am out of the office until 05/01/2010.",
    ),
    ({"Subject": "Parental leave"}, "I am on parental leave until May."),
    ({"Subject": "Please confirm your message", "Auto-Submitted": "auto-replied"}, "Click to confirm you are human"),
    (
        {"Subject": "AUTO: Anna Koch ist außer Haus (Rückkehr am 05.01.2010)"},
        "Ich bin ab 01.01. nicht im Büro. Ich kehre zurück am 05.01.",
    ),
    ({"Subject": "On holiday"}, "I'm on holiday and will reply when I get back."),
    ({"Subject": "Sick leave Re: Digest"}, "I am currently on sick leave."),
    (
        {"Subject": "[Request received] Digest", "Auto-Submitted": "auto-generated"},
        "Your request (1234) has been received.",
    ),
    ({"Subject": "Re: Digest", "Auto-Submitted": "auto-generated"}, "This inbox is no longer monitored."),
    ({"Subject": "Retired", "Auto-Submitted": "auto-generated"}, "I have now retired. For help write to bo@x.example."),
]
"""Header fields, and the text."""

ORDINARY = [
    ("Re: Six things", "Thank you! I am away from my desk a lot but will look at it."),
    ("Question about vacation policy survey", "Who runs this?"),
    ("Re: Annual leave guidance", "Can you send the guideline?"),
    ("Holiday rota resource", "Here is our resource"),
    ("Fwd: Out of office template", "see below"),
    ("Re: digest", "I am on holiday next week, can we meet after? Ann"),
    ("Sick leave study: participants wanted", "We look for..."),
    ("Urlaub und Pflege: Umfrage", "Bitte teilnehmen"),
    ("Parental leave evidence review", "Attached."),
    ("I no longer want these", "please stop"),
]


def _mail(headers: dict[str, str], text: str) -> bytes:
    mail = EmailMessage()
    mail["From"], mail["To"] = "Ann Example <ann@clinic.example.org>", "b+x@news.example.org"
    for name, value in headers.items():
        mail[name] = value
    mail.set_content(text)
    return mail.as_bytes()


@pytest.mark.parametrize(("headers", "text"), REPLIES)
def test_an_automatic_reply_is_known_as_one(headers: dict[str, str], text: str) -> None:
    assert classify(_mail(headers | {"In-Reply-To": "<a@news.example.org>"}, text)).kind == "autoreply"


@pytest.mark.parametrize(("subject", "text"), ORDINARY)
def test_what_people_write_about_leave_and_holidays_is_no_automatic_reply(subject: str, text: str) -> None:
    assert classify(_mail({"Subject": subject}, text)).kind == "other"

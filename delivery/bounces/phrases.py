"""What mail systems write, in many languages: tables only. Each phrase is matched anywhere, in one spelling (`text.folded`).

Collected from public samples of bounces and from the sources and manuals of mail servers.
"""

from delivery.bounces.text import folded


def _table(*lines: str) -> tuple[str, ...]:
    return tuple(
        dict.fromkeys(folded(phrase.strip()) for line in lines for phrase in line.split("|") if phrase.strip())
    )


ROBOT_NAMES = _table(
    "mailer-daemon|mailerdaemon|mailer daemon|mail delivery sub|mail delivery sys|mail deliver sys|mail delivery agent|maildeliv",
    "postmaster|post_master|post master|mail-daemon|maildaemon|mail daemon|mdaemon|mail administrator|mail system",
    "system administrator|mail router|internet mail delivery|mail delivery service|email delivery|delivery system",
    "content-filter at|interscan|mail gateway|messaging server|courier mail server|microsoft exchange|mail server",
    "undeliverable mail|returned mail|bounce|administrador del sistema|systemadministrator|administrateur syst",
    "система доставки|почтовая система|servidor de correo|mail-system|mailsystem|mail transfer|notification mail",
    "メール配信|システム管理者|配送エラー|邮件系统|系统退信|郵件系統|退信|postoffice|uucp|smtp-admin|poczta|mailadmin",
)
"""In the name or address of who sends bounces."""

FAILED_SUBJECTS = _table(
    "undeliver|undeilver|non-deliver|nondeliver|not deliver|couldn't be deliver|could not be deliver|cannot be deliver",
    "returned mail|returned to sender|return to sender|returning message to sender|return receipt failure|returned email",
    "delivery fail|delivery has failed|failed delivery|failure delivery|delivery problem|delivery error|failed mail",
    "delivery status notification|delivery notification|delivery report|delivery status|failure notice|failure notification",
    "mail failure|mail delivery fail|mail error|mail system error|mailbox full|message delivery has failed|delivery_failure",
    "mail delivery|unable to deliver|unable to be deliver|error sending your mail|message could not be|message couldn't be",
    "user unknown|unknown user|unknown address|unknown recipient|unknown local user|bounce|nondelivery|ndn:|ndr:",
    "message blocked|message you sent blocked|message delayed|delayed mail|delivery delay|warning: message|warning: could not",
    "still being retried|delivery temporarily|mail could not be|delivery unsuccessful|delivery to the following",
    "message not delivered|message status - undeliverable|status: failed|mail returned|email delivery|mail undelivered",
    "failed mail|mail failed|returning to sender|automatically rejected|processing error|could not deliver|not accepted for delivery|ndn|not deliverable",
    "problem delivering|problems delivering|message rejected|rejected mail|mail rejected|blocked mail|permanent fail",
    "notification d'état de remise|notification d'etat|non remis|message non distribu|echec de remise|échec de la remise",
    "échec de distribution|échec d'envoi|non distribuable|avis de non-remise|courrier non remis|retour de courrier|non livr",
    "unzustellbar|nicht zustellbar|nicht zugestellt|zustellung fehlgeschlagen|zustellungsfehler|zustellfehler|zustellproblem",
    "fehler bei der zustellung|konnte nicht zugestellt|mail-zustellung|benachrichtigung über den zustellungsstatus|rückläufer",
    "no se puede entregar|no se pudo entregar|no entregad|error de entrega|fallo en la entrega|entrega fallida|fallo de entrega",
    "notificación de estado de la entrega|notificacion de estado|correo devuelto|mensaje devuelto|no se ha podido entregar",
    "mancato recapito|mancata consegna|impossibile recapitare|impossibile consegnare|non recapitabile|non recapitato",
    "notifica sullo stato|consegna fallita|errore di consegna|mancata ricezione|ritorno al mittente",
    "não foi entregue|não entregue|não é possível entregar|falha na entrega|falha de entrega|notificação de status de entrega",
    "mensagem devolvida|não pôde ser entregue|email devolvido|erro na entrega",
    "onbestelbaar|niet bezorgd|bezorging mislukt|kan niet worden bezorgd|niet afgeleverd|aflevering mislukt|melding van status",
    "недоставл|не доставлен|не удалось доставить|невозможно доставить|недоставка|не может быть доставлен|ошибка доставки",
    "уведомление о состоянии доставки|сообщение не доставлено|возвращен|возврат почты|проблема с доставкой|проблемы с доставкой",
    "niedoręcz|niedostarcz|nie dostarczon|nie można dostarczyć|zwrot poczty|zwrot do nadawcy|błąd dostarczania|stan doręczenia",
    "nedoruč|nelze doručit|nedoručiteln|nebylo doručeno|kézbesíthetetlen|kézbesítési|nem kézbesíthető|sikertelen kézbesítés",
    "kan inte levereras|ej levererat|leveransfel|kunde inte levereras|oleveransbar|kan ikke leveres|ikke leveret|ulevert",
    "olevererad|toimitus epäonnistui|ei voitu toimittaa|palautettu|iletilemedi|teslim edilemedi|teslim edilemeyen|iletilemeyen",
    "配信不能|配信できません|配信エラー|配信に失敗|送信エラー|送信できません|送信失敗|送信できなかった|配達不能|配達できません|未配信",
    "エラーメール|不達|届けられません|届きません|戻り|返送|宛先不明|配送できません|配送エラー|配送失敗|配信失敗|開封できません|配信の失敗",
    "退信|退回|无法投递|無法投遞|无法送达|無法送達|投递失败|投遞失敗|未送达|未送達|发送失败|傳送失敗|未能送达|无法传递|無法傳遞|傳遞失敗|未传递|退件",
    "remise différée|remise retardée|zustellung verzögert|entrega retrasada|consegna ritardata|entrega atrasada|bezorging vertraagd|доставка задерж|配信遅延",
    "considered unsolicited bulk email, apparently from you|nelivrat|nu a putut fi livrat|недоставлен|не доставлено|няма доставка|nije isporuč|ni bilo mogoče dostaviti|no lliurat|gagal terkirim",
    "전송 실패|배달되지|배달 실패|발송 실패|반송|수신 실패|배달할 수 없|전달되지|전송되지|반환된|returned mail:",
    "αδυναμία παράδοσης|μη παραδοτέο|не е доставен|לא נמסר|תعذر|تعذر تسليم|غير قابل للتسليم|không thể gửi|gửi không thành công",
)
"""In the subject of bounces."""

MACHINE_SUBJECTS = _table(
    "undelivered mail returned to sender|mail delivery failed|mail delivery failure|returned mail:|failure notice|undeliverable:|undeliverable mail",
    "delivery status notification|delivery failure|delivery failed|mail system error|undeliverable message|message status - undeliverable|delivery report",
    "delivery notification:|mail could not be delivered|message could not be delivered|unzustellbar:|non remis|nicht zustellbar:|no se puede entregar:",
    "mancato recapito|non recapitabile:|não é possível entregar:|onbestelbaar:|недоставленное|недоставлено:|配信不能:|配信エラー|系统退信|退信",
    "your message was not delivered|message could not be delivered|mail was not delivered",
    "無法傳遞|无法传递|未传递:|undeliverable|nondeliverable mail|mail failure|delivery problem|email delivery failure|email could not be delivered",
)
"""Subjects that no person writes, whatever address they come from."""

FAILED_BODIES = _table(
    "could not be delivered|couldn't be delivered|cannot be delivered|can't be delivered|can not be delivered|not be delivered",
    "was not delivered|wasn't delivered|not delivered to|unable to deliver|unable to be delivered|undeliverable|undelivered",
    "delivery failed|delivery to the following|delivery of your message|failed to deliver|delivery has failed|delivery failure",
    "had permanent fatal errors|had transient non-fatal|had delivery problems|had delivery errors|following addresses had",
    "address(es) failed|address failed|addresses failed|following recipients failed|did not reach the following recipient",
    "did not reach|following recipients did not|recipients were unreachable|transcript of session follows|transcript of the attempts",
    "message that you sent could not|mail could not be|message could not be|permanent failure|permanent error|fatal error",
    "returned to you|is being returned|being returned|has been returned|was returned|returned unopened|return to sender",
    "failed permanently|delivery attempts|attempts to deliver|attempted to deliver|will not be retried|not going to try again",
    "has been delayed|delivery is delayed|is delayed|still undelivered|not yet been delivered|has not been delivered|not been able",
    "was not able to be delivered|not possible to deliver|unable to send|error occurred while trying to deliver|couldn't deliver",
    "could not deliver|cannot deliver|can't deliver|was undeliverable|delivery error|delivery status|message was rejected",
    "message has been rejected|mail was rejected|has been blocked|was blocked|rejected your message|mail server rejected",
    "rejected recipient|no such user|user unknown|unknown user|does not exist|doesn't exist|mailbox unavailable|returned mail",
    "message blocked|recipient rejected|delivery report|error(s):|mailbox is full|mailbox full|could not send|failure reasons",
    "wasn't able to deliver|not a valid user|automatically rejected|encountered an error|no valid recipients|did not exactly match|not accepting mail",
    "does not accept|following error|error message below|could not be sent|not delivered|reached the following",
    "n'a pas pu être remis|n'a pu être remis|n'a pas pu être délivré|n'a pas été remis|n'a pu être délivré|impossible de remettre",
    "n'a pas pu être distribué|échec de la remise|n'a pu être transmis|n'a pas pu être envoyé|n'a pas pu être livré|non remis",
    "n'a pu être livré|n'a pu être distribué|ne peut être remis|ne peut être délivré|échec de la livraison|pas été délivré",
    "konnte nicht zugestellt|konnte nicht ausgeliefert|konnten nicht zugestellt|nicht zugestellt werden|nicht zustellbar",
    "unzustellbar|zustellung fehlgeschlagen|fehler bei der übermittlung|fehler bei der zustellung|zustellung der nachricht",
    "no se ha podido entregar|no pudo ser entregado|no se pudo entregar|no ha podido ser entregado|no se puede entregar",
    "no pudo entregarse|error en la entrega|no fue entregado|no ha sido entregado|entrega fallida|no pudo enviarse",
    "non è stato possibile recapitare|impossibile recapitare|non può essere consegnato|non è stato recapitato|mancata consegna",
    "non è stato consegnato|non e' stato possibile|impossibile consegnare|non è stato possibile consegnare|non recapitat",
    "não pôde ser entregue|não foi possível entregar|não foi entregue|não puderam ser entregues|falha na entrega|não pode ser entregue",
    "kon niet worden bezorgd|kan niet worden bezorgd|niet worden afgeleverd|bezorging is mislukt|niet bezorgd|is niet gelukt",
    "не может быть доставлено|не доставлено|не удалось доставить|невозможно доставить|не было доставлено|ошибка при доставке",
    "не могло быть доставлено|не могут быть доставлены|недоставленн|не может быть отправлено|не получается доставить",
    "nie mogła być dostarczona|nie można dostarczyć|nie została dostarczona|nie może zostać dostarczona|nie dostarczono|nie doręczono",
    "nelze doručit|nebylo možné doručit|nemohla být doručena|nebyla doručena|nem kézbesíthető|nem sikerült kézbesíteni",
    "kunde inte levereras|kan inte levereras|kunne ikke leveres|kan ikke leveres|ei voitu toimittaa|iletilemedi|teslim edilemedi",
    "配信できません|配信でき|送信できません|送信できなかった|送信に失敗|配信に失敗|お届けできません|届けることができません|配送できません|配信不能",
    "配信することができません|送信することができません|配達できません|エラーが発生|お送りできません|届きませんでした|受信できません|存在しません",
    "无法投递|無法投遞|无法送达|無法送達|投递失败|投遞失敗|未能送达|发送失败|退信|退回|无法发送|無法傳送|未能投递|无法传递|無法傳遞|不能送达|被退回",
    "est retardée|wurde verzögert|se ha retrasado|è stata ritardata|está atrasada|is vertraagd|доставка задерж|配信が遅",
    "delivery of the email was stopped|nu a putut fi livrat|не може бути доставлен|не вдалося доставити|не може да бъде доставен|nije isporučen|nije moguće isporučiti|ni bilo mogoče dostaviti",
    "no s'ha pogut lliurar|tidak dapat dikirim|không thể gửi|تعذر تسليم|לא ניתן למסור|δεν ήταν δυνατή η παράδοση|αδυναμία παράδοσης",
    "배달하지 못했|배달되지 않|전송하지 못|전송할 수 없|배달할 수 없|전달할 수 없|발송되지 못|반송되었|전송에 실패|전달되지 못|반송 사유",
)
"""In the text of bounces."""

ALSO_ORDINARY = _table(
    "has been blocked|was blocked|does not accept|following error|rejected your message|was returned|has been returned|is being returned|not delivered",
    "being returned|mailbox is full|mailbox full|does not exist|doesn't exist|error(s):|reached the following|could not send|unable to send|delivery status",
    "message blocked|delivery report|fatal error|permanent error|is delayed|has been delayed|not been able|mailbox unavailable|message was rejected",
    "could not be sent|mail was rejected|message has been rejected|delivery attempts|did not reach|エラーが発生|存在しません|被退回|退信|退回|is niet gelukt",
)
"""Of these, what mail about parcels, quarantines and disks says as well."""

GOODS = _table(
    "parcel|package|shipment|your order|paket|ihre sendung|votre colis|su paquete|su pedido|pacco|encomenda|pakketje|pakket|paczka|przesyłka|balík|посылк|荷物|宅配|包裹|快递|택배|kargo",
)
"""What carriers could not deliver, in nearly the words of mail servers."""

SUMMARIES = _table(
    "statistic|summary|daily report|weekly report|monthly report|queue report|statistik|zusammenfassung|statistique"
)
"""In the subject of what a postmaster tells of many mails."""

DELAYED = _table(
    "has been delayed|delivery is delayed|warning message only|do not need to resend|do not need to re-send|no action is required",
    "still undelivered|not yet been delivered|will be retried|will continue to try|will keep trying|temporary problem delivering",
    "delayed mail (still being retried)|message is delayed|has not yet been delivered|delivery delayed|will try again|retrying",
    "noch nicht zugestellt|verzögert|retardé|en attente de remise|retrasado|rinviata|задержан|пока не доставлено|遅延|延迟|延遲|지연",
)
"""The server still tries: nothing has failed yet."""

FULL = _table(
    "mailbox full|mailbox is full|mailbox too full|mailbox has exceeded|over quota|overquota|quota exceed|exceeded quota|exceeds quota",
    "quota|out of storage|storage limit|exceeded storage|insufficient storage|insufficient system storage|no space|not enough space",
    "disk space|disk quota|mailbox size limit|exceeds allowed size|exceeded the local limit|mailfolder is full|inbox is full",
    "too many messages|folder is full|maximum storage|mailbox would exceed|space has been used up|enough space|full mailbox",
    "mailboxes are full|est pleine|est saturée|storage space|mail data|mailbox exceed|boite pleine|boîte aux lettres pleine|boîte du destinataire pleine|boîte pleine|bal pleine",
    "postfach voll|postfach ist voll|postfach des empfängers ist voll|speicherplatz|quota überschritten|buzón lleno|buzon lleno",
    "casella piena|casella di posta piena|caixa postal cheia|caixa cheia|caixa de correio cheia|postbus is vol|mailbox vol",
    "ящик переполнен|ящик получателя переполнен|переполнен|нет места|skrzynka pełna|skrzynka jest pełna|przepełniona|schránka je plná",
    "容量超過|容量を超|容量不足|いっぱい|メールボックスが一杯|満杯|邮箱已满|信箱已滿|郵箱已滿|空间不足|空間不足|容量已满|邮箱满|空间满|空间已满|已满|容量滿|已滿|超过容量|용량|가득",
)
"""The mailbox is full: it may pass."""

SENDER = _table(
    "sender verify|sender address rejected|sender rejected|sender domain|sender address does not exist|sender does not exist|invalid sender",
    "your domain|from domain|domain of sender|mail from command|unroutable sender|unknown sender|verify sender|verify the sender|verifying sender",
    "sender email address|return path|reverse-path|bounce address|return address|sender unknown|sender is not|sender isn't|sender denied|sender not",
    "client host rejected|your hostname|reverse hostname|reverse dns|verification failed for|failed for sender|route to sender|too many bad recipients",
    "header from|from header|from: header|date header|message-id header|invalid message-id",
    "helo|ehlo|no third-party dsns|null sender|empty envelope sender|empty sender|batv|emetteur invalide|bad sender|sender's domain|envelope sender",
)
"""The reply is about who sent it, whatever else it says."""

DEAD = _table(
    "user unknown|unknown user|user is unknown|no such user|no such recipient|no such mailbox|no such address|no such account|no such person",
    "no such local user|no such email|no such virtual user|unknown recipient|recipient unknown|recipient is unknown|unknown address|unknown mailbox",
    "unknown local-part|unknown local part|local user unknown|unknown email|unknown e-mail|unknown account|unknown alias|unknown userid|unknown virtual",
    "address unknown|account unknown|mailbox unknown|user not known|not a known user|recipient not known|addressee unknown|unknown to the system",
    "user not found|recipient not found|mailbox not found|address not found|account not found|recipnotfound|user was not found|user cannot be found",
    "address couldn't be found|address could not be found|recipient could not be found|user could not be found|email name is not found",
    "couldn't find the recipient|wasn't found at|wasn't found in|was not found in the|does not exist|doesn't exist|do not exist|no longer exist",
    "nonexistent user|non-existent user|non existent user|nonexistent recipient|non-existent recipient|nonexistent mailbox|non-existent mailbox",
    "invalid mailbox|invalid recipient|invalid user|recipient invalid|user invalid|invalid local|invalid rcpt|rcpt invalid|invalid final delivery userid",
    "invalid email address|invalid e-mail address|invalid address|address invalid|bad destination mailbox|bad recipient|bad mailbox|badrcptto|bad-mailbox",
    "not a valid recipient|not a valid mailbox|not a valid user|not a valid address|not a valid email|no longer valid|not valid recipient|user is not valid",
    "not a valid local|recipient is not valid|address is not valid|is not a valid account|is not a mailbox|not our customer|is not a user|is not our user",
    "no mailbox here|no mailbox by|no mailbox found|no account by|no user by|no valid recipient|no local mailbox|no local user|no such local|no mail box",
    "no account here|no such id|no user with|no longer on server|no longer with|no longer at|no longer in use|no longer employed|no longer work",
    "doesn't have a|does not have a|doesn't have an account|does not have an account|has no mailbox|no one at this address|nobody here by that name",
    "doesn't like recipient|does not like recipient|can't accept user|not listed in domino|not listed in public|not present in directory|not in directory",
    "not in my list|validrcptto|badrecipientto|destination addresses were unknown|recipient address rejected: access denied|archived recipient",
    "undefined recipient|recipient name is not recognized|unresolvable address|is not an active address|missing home directory|unknown destination address",
    "has been replaced by|user has moved|mailbox has moved|address has changed|mailbox moved|has moved to|account closed|account has been closed",
    "account is closed|account deleted|mailbox deleted|account has been deleted|mailbox has been deleted|account has been terminated|closed account",
    "former employee|has left the company|has left our|account no longer|mailbox no longer|address no longer|this user does not|unable to find the user",
    "member not found|user name not found|name not found|userid not found|rcpt_not_exist|email_not_found|recipient has been removed|is not a registered user",
    "unbekannter benutzer|benutzer unbekannt|empfänger unbekannt|unbekannter empfänger|existiert nicht|nicht bekannt|adresse unbekannt|nicht mehr gültig",
    "ungültige adresse|ungültiger empfänger|kein postfach|kein benutzer|gibt es nicht|adresse wurde nicht gefunden|empfänger wurde nicht gefunden",
    "utilisateur inconnu|destinataire inconnu|adresse inconnue|n'existe pas|n'existe plus|adresse introuvable|destinataire introuvable|compte inconnu",
    "destinataire invalide|adresse invalide|utilisateur inexistant|adresse non valide|boite inconnue|boîte aux lettres inconnue|adresse électronique est introuvable",
    "usuario desconocido|destinatario desconocido|no existe|usuario inexistente|dirección desconocida|dirección inexistente|no se encontró la dirección",
    "usuario no encontrado|destinatario no encontrado|cuenta no existe|buzón no existe|dirección no válida|utente sconosciuto|non esiste|nessun utente",
    "destinatario sconosciuto|indirizzo sconosciuto|utente inesistente|indirizzo inesistente|utente non trovato|indirizzo non trovato|casella inesistente",
    "usuário desconhecido|destinatário desconhecido|não existe|endereço desconhecido|usuário não encontrado|endereço não encontrado|usuário inexistente",
    "gebruiker onbekend|onbekende gebruiker|bestaat niet|adres onbekend|adres niet gevonden|geadresseerde onbekend|не существует|пользователь не найден",
    "неизвестный пользователь|неизвестный получатель|нет такого пользователя|такого пользователя нет|адрес не найден|получатель не найден|неизвестный адрес",
    "пользователь неизвестен|несуществующ|nie istnieje|nieznany użytkownik|nieznany adresat|nieznany odbiorca|brak takiego|użytkownik nieznany|neexistuje",
    "neznámý uživatel|neznámý příjemce|nem létezik|ismeretlen felhasználó|ismeretlen címzett|finns inte|okänd användare|okänd mottagare|ukendt modtager",
    "findes ikke|finnes ikke|ukjent mottaker|tuntematon vastaanottaja|ei ole olemassa|mevcut değil|bulunamadı|bilinmeyen kullanıcı",
    "存在しない|存在しません|見つかりません|ユーザーが見つ|宛先不明|ユーザ不明|ユーザー不明|受信者が不明|ユーザ名が不明|該当するユーザ|使われておりません|受信者は不明",
    "用户不存在|地址不存在|帐号不存在|账号不存在|收件人不存在|不存在|查无此|查無此|無此使用者|无此用户|找不到收件人|邮箱不存在|信箱不存在|未找到收件人|不存在此",
    "utilizator inexistent|utilizator necunoscut|nu există|користувача не знайдено|користувач не існує|не існує|не съществува|ne postoji|ne obstaja|no existeix|tidak ditemukan",
    "존재하지 않|없는 사용자|알 수 없는 사용자|사용자를 찾을 수 없|수신자를 찾을 수 없|없는 계정|수신인이 없|없는 메일|δεν υπάρχει|לא קיים|غير موجود|không tồn tại",
)
"""The person is not there."""

LIKELY_DEAD = _table(
    "mailbox unavailable|mailbox not available|mailbox is unavailable|recipient unavailable|account unavailable|address is unavailable|user unavailable",
    "not found|not exist|not known|is unknown|was unknown|unknown or|invalid|non-existent|nonexistent|not recognized|unrecognized|is not local|isn't valid|is not valid|not valid",
    "address rejected|recipient rejected|rejected recipient|recipient refused|destination server rejected|rejected address|bad address|bad user|bad-address",
    "no mailbox|no account|no user|no recipient|no address|cannot be resolved|unable to find|unable to locate|could not find|couldn't find|cannot find",
    "no longer available|no longer active|discontinued|not a member|not listed|undeliverable to|addressee|wrong address|incorrect address|mistyped",
    "unbekannt|ungültig|nicht gefunden|nicht vorhanden|inconnu|introuvable|invalide|desconocid|no encontrad|inválid|inexistente|sconosciut|non valido",
    "non trovat|desconhecid|não encontrad|onbekend|niet gevonden|ongeldig|неизвест|не найден|недействител|nieznan|nieprawidłow|nenalezen|okänd|ukjent",
    "impossible de trouver|ne peut être trouv|pas été trouvé|no se encontró|no se ha encontrado|no se pudo encontrar|trovare l'indirizzo|foi encontrad",
    "nie znaleziono|ikke fundet|ikke funnet|hittades inte|kunde inte hittas|nem található|nebyl nalezen|nu a fost găsit|не удалось найти|не удается найти|не знайдено",
    "ukendt|ei löydy|ありません|不明|該当者|無効|未找到|找不到|不正确|無效|无效|없습니다|찾을 수 없",
)
"""The person is not there, as long as nothing says otherwise."""

SOFT = _table(
    "spam|blacklist|black list|block list|blocklist|blocked|dnsbl|rbl|junk|unsolicited|bulk mail|bulk email|listed at|listed in dns",
    "policy|policies|prohibit|not permitted|not allowed|access denied|permission|unauthorized|not authorized|forbidden|restricted|restriction",
    "relay|authentication|authenticat|auth required|dmarc|dkim|spf |spf:|reputation|reverse dns|rdns|ptr record|no ptr|your ip|ip address|open proxy",
    "dynamic ip|rate limit|rate-limit|throttl|too many|try again|try later|tryagain|temporar|deferred|greylist|graylist|grey list|tempfail",
    "timed out|timeout|time out|delayed|retry|expired|too long|unable to connect|could not connect|couldn't connect|connection refused|connection reset",
    "connection dropped|connection lost|lost connection|no route to host|network is unreachable|network unreachable|host unreachable|wasn't able to establish",
    "attempts|long time|queue period|queue lifetime|allowed queue|could not find a gateway|currently unavailable|server is busy|resources|service unavailable|service not available|service is not available|closing transmission|shutting down|queue for",
    "too large|too big|exceeds size|size limit|message size|maximum size|exceeds the maximum|message length|exceeds fixed|oversize|mesgtoobig|larger than",
    "virus|infected|malware|suspicious|phish|message content|attachment|executable|banned|bad header|mime|loop|too many hops|hop count",
    "no smtp service|local error|local problem|configuration error|misconfig|system error|system failure|internal error|i/o error|mailer error|operating system",
    "command died|command failed|cannot open|can't open|can't create|cannot append|out of memory|dns error|program exited|error writing",
    "frequency|name server|lookup failure|lookup failed|dns lookup|server failure|servfail|temporary lookup|name service error",
    "refused by|rejected by|message refused|mail refused|rejected for|recipient preferences|user rules|rule imposed|message rejected|mail rejected",
    "not accepting|isn't accepting|accepting mail from|protected by|whitelist|white list|challenge|senders list|list of senders|only accept|not accept",
    "suspend|locked|frozen|inactive|disabled|deactivated|not active|expired account|vacation|over limit|limit exceeded|not activated|not enabled",
    "exceeded the max|exceeds limit|exceeded limit|unverified|verification|callout|cannot verify|unable to verify|could not verify",
    "bad sequence|syntax error|protocol error|protocol violation|line too long|not implemented|starttls|tls|certificate|encrypt|backscatter",
    "congest|overload|unreachable|no answer|not responding|did not respond|no response|not reachable|could not be reached|administrative prohibition",
    "expir|temporaire|réessay|verzögert|vorübergehend|temporär|später erneut|abgelehnt|reintent|temporal|temporan|riprov|gesperrt|bloqu|bloccat",
    "временно|повтор|позже|отклонен|спам|полити|заблокирован|一時|拒否|スパム|迷惑|制限|タイムアウト|暂时|暫時|稍后|垃圾|拒绝|拒絕|频率|被拒|차단|거부|일시|스팸|제한",
)
"""Something that may pass, or that is about us, the message or the way, not about the address."""

LIKELY_SOFT = _table(
    "quarantine|refuse|complaint|abuse|violat|reject|denied|content|header|filter|configuration|not accepted",
)
"""The same, as long as no status says that the address is bad."""

NO_HOST = _table(
    "host unknown|unknown host|unknown domain|domain not found|no such domain|domain does not exist|host not found|host or domain name not found",
    "nonexistent domain|non-existent domain|domain doesn't exist|domain name not found|unrouteable address|unroutable address|unrouteable mail",
    "bad domain|bad-domain|invalid domain|invalid host|invalid hostname|illegal host|illegal domain|no such host|nxdomain|name or service not known",
    "domain is not reachable|domain must exist|unknown mail domain|mail domain mentioned|no mail hosts|no mx|not an mx|no mail exchanger",
    "couldn't find any host named|couldn't find a mail exchanger|all relevant mx records point to non-existent",
    "all host address lookups failed permanently|domain is unknown|nullmx|null mx|does not accept mail (nullmx)|host does not accept mail",
    "host/domain does not accept mail|remote domain doesnt exist|domain lookup failed: host not found|name server: host not found",
    "original host not found|host is unknown|domain unknown|unknown destination|not a registered gateway|no a or mx|hostname nor servname",
    "unbekannte domain|domain existiert nicht|domaine inconnu|domaine inexistant|dominio inexistente|dominio no existe|dominio desconocido",
    "dominio sconosciuto|onbekend domein|домен не существует|неизвестный домен|ドメインが見つ|ドメインが存在|ドメイン名が|域名不存在|域名错误|找不到域",
)
"""The domain is not there, or takes no mail."""

REPLIED_SUBJECTS = _table(
    "out of office|out of the office|out-of-office|outofoffice|automatic reply|auto reply|auto-reply|autoreply|auto response|auto-response|autoresponse",
    "auto:|autoresponder|auto responder|automated reply|automated response|automatic response|automatically generated reply|away from my mail",
    "i am away|i'm away|away message|away notice|abwesenheitsnotiz|abwesenheitsnachricht|abwesenheitsmeldung|automatische antwort|nicht im büro|außer haus",
    "réponse automatique|reponse automatique|absent du bureau|absente du bureau|absent(e) du bureau|absence du bureau|message d'absence|respuesta automática",
    "fuera de la oficina|fuera de oficina|risposta automatica|fuori sede|fuori ufficio|resposta automática|fora do escritório|autoresposta|ateb awtomatig",
    "automatisch antwoord|afwezigheidsbericht|afwezigheidsmelding|autosvar|automatiskt svar|automatisk svar|frånvaromeddelande|fraværsmelding|automaattinen vastaus|poissaolo",
    "allan o'r swyddfa|ikke på kontoret|inte på kontoret|автоответ|автоматический ответ|вне офиса|odpowiedź automatyczna|autoodpowiedź|automatyczna odpowiedź|poza biurem",
    "automatická odpověď|mimo kancelář|automatikus válasz|házon kívül|otomatik yanıt|otomatik cevap|ofis dışı|αυτόματη απάντηση|εκτός γραφείου|自動応答|自動返信|不在通知",
    "不在のお知らせ|不在メール|自动回复|自動回覆|自动答复|自動回復|부재중|자동 응답|자동응답|자동 회신|תשובה אוטומטית|رد تلقائي|خارج المكتب|trả lời tự động|ooo:|ooo re:",
    "răspuns automat|автоматична відповідь|samodejni odgovor|automatski odgovor|away until|currently out|ticket received|request received|we have received your|request has been received",
    "thank you for your e-mail|thank you for your message|thanks for your e-mail|thanks for your email|thank you for your email|thank you for contacting",
)
"""In the subject of automatic replies, and of little else."""

MAYBE_REPLIED_SUBJECTS = _table(
    "vacation|on holiday|away from|on leave|annual leave|maternity leave|parental leave|sick leave|paternity leave|absence|absent|ooo|no longer work|no longer with",
    "i have left|left the organisation|left the company|abwesend|abwesenheit|urlaub|mutterschutz|elternzeit|en congé|en vacances|ausencia|ausente|de vacaciones|assente|assenza",
    "in ferie|ausência|de férias|afwezig|niet aanwezig|vakantie|frånvaro|semester|fravær|ferie|ikke til stede|poissa|loma|отсутств|в отпуске|отпуск|nieobecn|urlop|dovolen",
    "szabadság|izinde|休暇|休假|外出|휴가|مهلة|חופש|gwyliau|absennol",
)
"""In the subject of automatic replies and of other mail: the text decides."""

REPLIED_BODIES = _table(
    "out of the office|out of office|i am away|i'm away|i will be away|i am currently away|on annual leave|on maternity leave|on vacation|on holiday until",
    "limited access to email|limited access to my email|when i return|upon my return|on my return|will be back|automatic reply|automatically generated reply",
    "autoreply|auto-reply|auto reply|this is an automated response|this is an automatic response|this is an automated reply|i will be out|i am on leave",
    "nicht im büro|ich bin abwesend|bin ich nicht erreichbar|ab dem|wieder erreichbar|je suis absent|absente du bureau|absent du bureau|de retour le",
    "actuellement absent|estaré fuera|estoy fuera|fuera de la oficina|de vacaciones|sono assente|sarò assente|fuori sede|estou ausente|de férias|fora do escritório",
    "ik ben afwezig|niet aanwezig|ik ben niet op kantoor|inte på kontoret|ikke på kontoret|jeg er ikke|в отпуске|отсутствую|буду отсутствовать|nieobecny|na urlopie",
    "不在にして|休暇|出張|自動返信|自動的に|外出|休假|自动回复|부재중|자리를 비|휴가",
    "this is an automated message|i'm on holiday|i am on holiday|i am on vacation|i'm on vacation|on parental leave|on sick leave|on paternity leave|on leave until",
    "no longer monitored|has now left|has left the",
    "no longer work|no longer employed|i have left the|i have retired|i have now retired|mailbox is not monitored|mailbox is no longer monitored|will reply when i|will respond when i|not be reading my mail",
    "im urlaub|nicht erreichbar|nicht im hause|außer haus|bin ich nicht im|keine e-mails|kehre zurück|je serai de retour|en congé|en vacances|no estaré|estaré ausente|in ferie",
    "met vakantie|op vakantie|på semester|på ferie|lomalla|na dovolené|szabadságon|izindeyim|ofis dışında|allan o'r swyddfa|ar wyliau|είμαι εκτός|în concediu|у відпустці",
)
"""In the first lines of automatic replies."""

CUTS = _table(
    "below this line is a copy|this is a copy of the message|this is a copy of your message|original message follows|original message below|original message -",
    "message header follows|unsent message follows|unsent message below|original message headers|header of the original message|headers of the original message",
    "the header of the original message|included is a copy of the message header|copy of the original message|start of returned message|returned message",
    "- original message|message text follows|original message as received|returned mail follows|message headers follow|text of your message|your original message|original mail as follows|original message:|message d'origine|ursprüngliche nachricht",
    "--- the message that you sent|returned message is below|message text follows|undelivered message follows|----- returned|en-têtes de message",
    "the contents of your message|your message follows|the body of your message|копия сообщения|текст вашего письма|元のメッセージ|元のメール|原始邮件|original-nachricht",
    "ursprungliche nachricht|kopie der nachricht|mensaje original|messaggio originale|mensagem original|oorspronkelijk bericht|以下は元|送信されたメール|원본 메일|원본 메시지",
    "the attachment contains the original mail headers|message headers:|original headers|the first 50 lines|the following is the message|quoted message",
    "copie de votre message|le message original|contenu de votre message|le message d'origine",
)
"""On the line after which the message that came back stands."""

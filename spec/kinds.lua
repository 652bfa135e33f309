--- Contents as they come, and what a handler is told of them: rows of name, Message, fields of the event (05 §4, §10, §11).
local picture = {
  caption = "look", mimetype = "image/jpeg", fileLength = 1234, width = 640, height = 480, jpegThumbnail = "JPEG", url = "https://m/1",
  directPath = "/v/1?x", mediaKey = "k", fileSha256 = "s", fileEncSha256 = "e", mediaKeyTimestamp = 1700000000,
}
local film = { caption = "look", mimetype = "video/mp4", fileLength = 5, seconds = 12, width = 320, height = 240, streamingSidecar = "s" }
local paper = {
  mimetype = "application/pdf", fileLength = 9, fileName = "../../etc/passwd", title = "Plan", pageCount = 3, directPath = "/v/2?x",
}
local sticker = {
  mimetype = "image/webp", width = 512, height = 512, isAnimated = true, pngThumbnail = "PNG", emojis = "🙂", accessibilityLabel = "smile",
}
local pack = {
  stickerPackId = "p", name = "Cats", publisher = "Ana", packDescription = "all of them", caption = "mine", fileLength = 70, stickers = {
    { fileName = "../a.webp", isAnimated = true, emojis = { "🐈" }, accessibilityLabel = "cat", mimetype = "image/webp" },
    { fileName = "b.webp" },
  },
}

local function list(...) return { title = "Drinks", rows = { ... } } end

return {
  { "answer of an assistant", { richResponseMessage = { submessages = {
    { messageText = "Try this:" }, { codeMetadata = { codeBlocks = { { codeContent = "print" }, { codeContent = "(1)" } } } },
    { tableMetadata = { rows = { { items = { "a", "b" } }, { items = { "c" } } } } }, {},
  } } }, { kind = "text", text = "Try this:\nprint(1)\na | b\nc" } },
  { "image", { imageMessage = picture }, { kind = "image", text = "look", media = {
    kind = "image", type = "image", mime = "image/jpeg", size = 1234, width = 640, height = 480, thumbnail = "JPEG", reference = picture,
  } } },
  { "image that says nothing of itself", { imageMessage = {} }, { kind = "image", media = {
    kind = "image", type = "image", reference = {},
  } } },
  { "video", { videoMessage = film }, { kind = "video", text = "look", media = {
    kind = "video", type = "video", mime = "video/mp4", size = 5, duration = 12, width = 320, height = 240, reference = film,
  } } },
  { "GIF", { videoMessage = { gifPlayback = true } }, { kind = "gif", media = {
    kind = "gif", type = "video", reference = { gifPlayback = true },
  } } },
  { "round video", { ptvMessage = { seconds = 3 } }, { kind = "round_video", media = {
    kind = "round_video", type = "video", duration = 3, reference = { seconds = 3 },
  } } },
  { "audio", { audioMessage = { mimetype = "audio/mpeg", seconds = 200 } }, { kind = "audio", media = {
    kind = "audio", type = "audio", mime = "audio/mpeg", duration = 200, reference = { mimetype = "audio/mpeg", seconds = 200 },
  } } },
  { "voice message", { audioMessage = { ptt = true, waveform = "\0\50\100" } }, { kind = "voice", media = {
    kind = "voice", type = "audio", waveform = "\0\50\100", reference = { ptt = true, waveform = "\0\50\100" },
  } } },
  { "document", { documentMessage = paper }, { kind = "document", media = {
    kind = "document", type = "document", mime = "application/pdf", size = 9, filename = "passwd", title = "Plan", pages = 3,
    reference = paper,
  } } },
  { "document with a caption", { documentWithCaptionMessage = { message = { documentMessage = { caption = "read", title = "Plan" } } } },
    { kind = "document", text = "read", media = {
      kind = "document", type = "document", filename = "Plan", title = "Plan", reference = { caption = "read", title = "Plan" },
    } } },
  { "sticker", { stickerMessage = sticker }, { kind = "sticker", media = {
    kind = "sticker", type = "sticker", mime = "image/webp", width = 512, height = 512, thumbnail = "PNG", animated = true, lottie = false,
    emojis = "🙂", label = "smile", reference = sticker,
  } } },
  { "album", { albumMessage = { expectedImageCount = 2 } }, { kind = "album", album = { images = 2, videos = 0 } } },
  { "child of an album", { associatedChildMessage = { message = { imageMessage = { caption = "one" } } }, messageContextInfo = {
    messageAssociation = { associationType = "MEDIA_ALBUM", parentMessageKey = { remoteJid = "9@lid", fromMe = true, id = "ALBUM" } },
  } }, { kind = "image", text = "one", album = { chat = "1@lid", id = "ALBUM", sender = "1@lid", from_me = false } } },
  { "sticker pack", { stickerPackMessage = pack }, { kind = "sticker_pack", text = "mine", media = {
    kind = "sticker_pack", type = "sticker-pack", mime = "application/zip", size = 70, reference = pack,
  }, pack = { id = "p", name = "Cats", publisher = "Ana", description = "all of them", stickers = {
    { filename = "a.webp", animated = true, lottie = false, emojis = { "🐈" }, label = "cat", mime = "image/webp" },
    { filename = "b.webp", animated = false, lottie = false, emojis = {} },
  } } } },
  { "lottie sticker", { lottieStickerMessage = { message = { stickerMessage = { isLottie = true } } } }, { kind = "sticker", media = {
    kind = "sticker", type = "sticker", animated = true, lottie = true, reference = { isLottie = true },
  } } },
  { "text with a large preview", { extendedTextMessage = { text = "https://a.example", matchedText = "https://a.example", title = "A",
    thumbnailDirectPath = "/v/1?x", thumbnailSha256 = "s", thumbnailEncSha256 = "e", mediaKey = "k", thumbnailWidth = 300 } },
    { kind = "text", text = "https://a.example", preview = { url = "https://a.example", title = "A", picture = {
      kind = "image", type = "thumbnail-link", mime = "image/jpeg", width = 300,
      reference = { directPath = "/v/1?x", mediaKey = "k", fileSha256 = "s", fileEncSha256 = "e" },
    } } } },
  { "location", { locationMessage = { degreesLatitude = 1.5, degreesLongitude = -2, name = "Lab", address = "Street", url = "u",
    accuracyInMeters = 5, comment = "here" } },
    { kind = "location", text = "here", location = { lat = 1.5, lon = -2.0, name = "Lab", address = "Street", url = "u", accuracy = 5 } } },
  { "location that moves", { locationMessage = { degreesLatitude = 1, degreesLongitude = 2, isLive = true, speedInMps = 1.5 } },
    { kind = "live_location", location = { lat = 1, lon = 2, speed = 1.5 } } },
  { "live location", { liveLocationMessage = { degreesLatitude = 1, degreesLongitude = 2, caption = "walking",
    degreesClockwiseFromMagneticNorth = 90 } },
      { kind = "live_location", text = "walking", location = { lat = 1, lon = 2, heading = 90 } } },
  { "card of a phone", { contactMessage = { displayName = "Ada", vcard =
    "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Lovelace;Ada;;;\r\nitem1.TEL;waid=15551234567:+1 555 123 4567\r\n"
    .. "item1.X-ABLabel:Mobile\r\nTEL;type=HOME:030 1\r\nORG:Engines;\r\nEND:VCARD" } },
    { kind = "contact", contacts = { { name = "Ada", phones = { "+1 555 123 4567", "030 1" }, jid = "15551234567@s.whatsapp.net",
      organisation = "Engines", vcard =
    "BEGIN:VCARD\r\nVERSION:3.0\r\nN:Lovelace;Ada;;;\r\nitem1.TEL;waid=15551234567:+1 555 123 4567\r\n"
    .. "item1.X-ABLabel:Mobile\r\nTEL;type=HOME:030 1\r\nORG:Engines;\r\nEND:VCARD" } } } },
  { "cards", { contactsArrayMessage = { contacts = { { vcard = "N:Lovelace;Ada;;;" }, { displayName = "Bob" } } } },
    { kind = "contacts", contacts = { { name = "Ada Lovelace", phones = {}, vcard = "N:Lovelace;Ada;;;" }, { name = "Bob",
      phones = {} } } } },
  { "group invite", { groupInviteMessage = { groupJid = "120363@g.us", inviteCode = "code", inviteExpiration = 1700000000,
    groupName = "Tea", caption = "come" } },
    { kind = "invite", text = "come", invite = { group = "120363@g.us", code = "code", expires = 1700000000, subject = "Tea" } } },
  { "invite to run a channel", { newsletterAdminInviteMessage = { newsletterJid = "1@newsletter", newsletterName = "News",
    inviteExpiration = 5 } },
      { kind = "newsletter_invite", invite = { newsletter = "1@newsletter", name = "News", expires = 5, admin = true } } },
  { "invite to follow a channel", { newsletterFollowerInviteMessageV2 = { newsletterJid = "1@newsletter", newsletterName = "News",
    caption = "read" } },
      { kind = "newsletter_invite", text = "read", invite = { newsletter = "1@newsletter", name = "News", admin = false } } },
  { "request for the number", { requestPhoneNumberMessage = {} }, { kind = "phone_request" } },
  { "number that is shared", { protocolMessage = { type = "SHARE_PHONE_NUMBER" } }, { kind = "phone_share" } },
  { "buttons", { buttonsMessage = { contentText = "Tea?", footerText = "or not", buttons = {
    { buttonId = "y", buttonText = { displayText = "Yes" } }, { buttonId = "n" },
  } } },
    { kind = "buttons", text = "Tea?", menu = {
      text = "Tea?", footer = "or not", choices = { { id = "y", text = "Yes" }, { id = "n" } },
    } } },
  { "list", { listMessage = { title = "Menu", description = "Choose", buttonText = "Open", sections = {
    list({ rowId = "t", title = "Tea", description = "green" }, { rowId = "c", title = "Coffee" }),
  } } }, { kind = "list", text = "Choose", menu = { title = "Menu", text = "Choose", button = "Open", choices = {
    { id = "t", text = "Tea", description = "green", section = "Drinks" }, { id = "c", text = "Coffee", section = "Drinks" },
  } } } },
  { "list of products", { listMessage = { productListInfo = { productSections = { { title = "Cups",
    products = { { productId = "7" } } } } } } },
    { kind = "list", menu = { choices = { { id = "7", section = "Cups" } } } } },
  { "template", { templateMessage = { hydratedTemplate = { hydratedContentText = "Hello", hydratedButtons = {
    { quickReplyButton = { id = "q", displayText = "Reply" } }, { urlButton = { displayText = "Page", url = "https://a.example" } },
    { callButton = { displayText = "Call", phoneNumber = "+1" } }, { index = 3 },
  } } } }, { kind = "template", text = "Hello", menu = { text = "Hello", choices = {
    { id = "q", text = "Reply" }, { text = "Page", url = "https://a.example" }, { text = "Call", phone = "+1" },
  } } } },
  { "business text", { highlyStructuredMessage = { elementName = "hello" } }, { kind = "template", menu = { choices = {} } } },
  { "native flow", { interactiveMessage = { header = { title = "Shop" }, body = { text = "Choose" }, footer = { text = "now" },
    nativeFlowMessage = { buttons = {
      { name = "quick_reply", buttonParamsJson = '{"display_text":"Yes","id":"y"}' },
      { name = "cta_url", buttonParamsJson = '{"display_text":"Page","url":"https://a.example"}' },
      { name = "single_select",
        buttonParamsJson = '{"title":"Open","sections":[{"title":"S","rows":[{"id":"r","title":"Row","x":1},5]},6]}' },
      { name = "cta_copy", buttonParamsJson = "{" },
    } } } }, { kind = "interactive", text = "Choose", menu = { title = "Shop", text = "Choose", footer = "now", button = "Open", choices = {
    { id = "y", text = "Yes", flow = "quick_reply" }, { text = "Page", url = "https://a.example", flow = "cta_url" },
    { id = "r", text = "Row", section = "S", flow = "single_select" }, { flow = "cta_copy" },
  } } } },
  { "carousel", { interactiveMessage = { body = { text = "Two" }, carouselMessage = { cards = {
    { body = { text = "one" } }, { body = { text = "two" }, carouselMessage = { cards = { { body = { text = "deeper" } } } } },
  } } } }, { kind = "interactive", text = "Two", menu = { text = "Two", choices = {}, cards = {
    { text = "one", choices = {} }, { text = "two", choices = {} },
  } } } },
  { "answer to buttons", { buttonsResponseMessage = { selectedButtonId = "y", selectedDisplayText = "Yes" } },
    { kind = "button", text = "Yes", button = { id = "y", text = "Yes" } } },
  { "answer to a template", { templateButtonReplyMessage = { selectedId = "q", selectedDisplayText = "Reply", selectedIndex = 1 } },
    { kind = "button", text = "Reply", button = { id = "q", text = "Reply", index = 1 } } },
  { "answer to a list", { listResponseMessage = { title = "Tea", description = "green", singleSelectReply = { selectedRowId = "t" } } },
    { kind = "button", text = "Tea", button = { id = "t", text = "Tea", description = "green" } } },
  { "answer to a native flow", { interactiveResponseMessage = { body = { text = "Row" }, nativeFlowResponseMessage = {
    name = "menu_options", paramsJson = '{"id":"r","more":[1]}',
  } } },
    { kind = "button", text = "Row", button = { id = "r", text = "Row", flow = "menu_options", params = { id = "r", more = { 1.0 } } } } },
  { "answer in no JSON", { interactiveResponseMessage = { nativeFlowResponseMessage = { name = "x", paramsJson = "[" } } },
    { kind = "button", button = { flow = "x" } } },
  { "answer in deep JSON", { interactiveResponseMessage = { nativeFlowResponseMessage = { paramsJson = ("["):rep(99) .. ("]"):rep(99) } } },
    { kind = "button", button = {} } },
  { "product", { productMessage = { body = "look", footer = "now", businessOwnerJid = "1@s.whatsapp.net", product = { productId = "7",
    title = "Cup", description = "blue", currencyCode = "EUR", priceAmount1000 = 12500, salePriceAmount1000 = 9990, url = "u" } } },
    { kind = "product", text = "look", product = { id = "7", title = "Cup", description = "blue", currency = "EUR", price = 12.5,
      sale_price = 9.99, url = "u", owner = "1@s.whatsapp.net", footer = "now" } } },
  { "order", { orderMessage = { orderId = "5", orderTitle = "Cups", itemCount = 2, totalAmount1000 = 25000, totalCurrencyCode = "EUR",
    sellerJid = "1@s.whatsapp.net", token = "t", message = "please", status = "INQUIRY" } },
    { kind = "order", text = "please", order = { id = "5", title = "Cups", items = 2, total = 25.0, currency = "EUR",
      seller = "1@s.whatsapp.net", token = "t", status = "inquiry" } } },
  { "payment", { sendPaymentMessage = { noteMessage = { extendedTextMessage = { text = "rent" } }, requestMessageKey = { id = "A" } } },
    { kind = "payment", text = "rent", payment = { action = "sent" }, target = { chat = "1@lid", id = "A", from_me = false } } },
  { "request for money", { requestPaymentMessage = { amount1000 = 12500, currencyCodeIso4217 = "BRL", requestFrom = "2@lid",
    expiryTimestamp = 9 } },
      { kind = "payment", payment = { action = "requested", amount = 12.5, currency = "BRL", from = "2@lid", expires = 9 } } },
  { "request of an amount", { requestPaymentMessage = { amount = { value = 1250, offset = 100, currencyCode = "INR" } } },
    { kind = "payment", payment = { action = "requested", amount = 12.5, currency = "INR" } } },
  { "request declined", { declinePaymentRequestMessage = { key = { id = "A", fromMe = true } } },
    { kind = "payment", payment = { action = "declined" }, target = { chat = "1@lid", id = "A", sender = "1@lid", from_me = false } } },
  { "request cancelled", { cancelPaymentRequestMessage = {} }, { kind = "payment", payment = { action = "cancelled" } } },
  { "invite to pay", { paymentInviteMessage = { serviceType = "UPI" } },
    { kind = "payment", payment = { action = "invited", service = "upi" } } },
  { "invoice", { invoiceMessage = { note = "for tea" } }, { kind = "payment", text = "for tea", payment = { action = "invoice" } } },
  { "reminder to pay", { paymentReminderMessage = { description = "rent", reminderId = "r", amount = { value = 5, offset = 0 } } },
    { kind = "payment", text = "rent", payment = { action = "reminder", id = "r" } } },
  { "bill that is split", { splitPaymentMessage = { splitId = "s", totalAmount = { value = 30 } } },
    { kind = "payment", payment = { action = "split", id = "s", amount = 30.0 } } },
  { "share that is paid", { splitPaymentUpdateMessage = { splitId = "s", participantJid = "2:3@lid" } },
    { kind = "payment", payment = { action = "split_update", id = "s", who = "2@lid" } } },
  { "call that was missed", { callLogMesssage = { isVideo = true, callOutcome = "MISSED", callType = "REGULAR", participants = {
    { jid = "2@lid", callOutcome = "MISSED" } } } }, { kind = "call", call = { action = "log", video = true, outcome = "missed",
    type = "regular", participants = { { jid = "2@lid", outcome = "missed" } } } } },
  { "call to come", { scheduledCallCreationMessage = { scheduledTimestampMs = 1500, callType = "VIDEO", title = "Plans" } },
    { kind = "call", text = "Plans", call = { action = "scheduled", video = true, at = 1.5, title = "Plans" } } },
  { "call that is off", { scheduledCallEditMessage = { key = { id = "A", fromMe = true }, editType = "CANCEL" } },
    { kind = "call", call = { action = "cancelled" }, target = { chat = "1@lid", id = "A", sender = "1@lid", from_me = false } } },
  { "offer of a call", { call = { callReason = "x" } }, { kind = "call", call = { action = "offer" } } },
  { "call to many", { bcallMessage = { caption = "now", mediaType = "AUDIO" } },
    { kind = "call", text = "now", call = { action = "broadcast", video = false } } },
  { "place for a content the phone keeps", { placeholderMessage = {} }, { kind = "placeholder" } },
  { "answer to a question", { questionResponseMessage = { text = "blue", key = { id = "A" } } },
    { kind = "question_answer", text = "blue", target = { chat = "1@lid", id = "A", from_me = false } } },
  { "song", { musicMessage = {} }, { kind = "music" } },
  { "history of a group", { messageHistoryBundle = {} }, { kind = "history" } },
  { "message for later", { conditionalRevealMessage = {} }, { kind = "scheduled" } },
  { "text to an assistant", { botInvokeMessage = { message = { extendedTextMessage = { text = "@1 hi" } } } },
    { kind = "text", text = "@1 hi" } },
  { "text that mentions a group", { groupMentionedMessage = { message = { extendedTextMessage = { text = "@5" } } } },
    { kind = "text", text = "@5" } },
}

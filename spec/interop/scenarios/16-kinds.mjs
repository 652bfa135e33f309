// Kinds of messages, both ways: what Baileys sends is told field by field by our bot, what the bot sends is read by Baileys.
import assert from 'node:assert/strict'
import { generateMessageID } from 'baileys'
import { userOf } from '../peer.mjs'

const isMessage = e => e.kind === 'message'

// Some of a thing's fields, as they are named in `wanted`.
const some = (wanted, thing) => Object.fromEntries(Object.keys(wanted).map(name => [name, thing?.[name]]))

const vcard = (name, waid) => [
  'BEGIN:VCARD', 'VERSION:3.0', `FN:${name}`, `TEL;type=CELL;type=VOICE;waid=${waid}:+${waid}`, 'END:VCARD',
].join('\n')

const two = async scene => {
  const sandbox = await scene.sandbox()
  return [await scene.bot(sandbox, 'kinds'), await scene.peer(sandbox, 'Ben')]
}

const toBot = async scene => {
  const [bot, ben] = await two(scene)
  const hears = async (content, wanted, quoted) => {
    const id = await ben.send(bot.jid, content, quoted)
    const heard = await bot.next(isMessage, `a message of kind ${wanted.what}`)
    assert.deepEqual({ id, ...some(wanted, heard) }, { id: heard.id, ...wanted })
    return heard
  }

  await hears({ text: `hello @${userOf(bot.jid)}`, mentions: [bot.jid] }, { what: 'text', mentions: [bot.lid], me: true })
  await hears({ text: 'all', mentionAll: true }, { what: 'text', everyone: true, me: true })
  await hears({ text: 'see https://a.example', linkPreview: { 'matched-text': 'https://a.example', title: 'A', description: 'page' } },
    { what: 'text', preview: { url: 'https://a.example', title: 'A', description: 'page' } })
  await hears({ location: { degreesLatitude: 52.5, degreesLongitude: 13.25, name: 'Lab', address: 'Street 1' } },
    { what: 'location', location: { lat: 52.5, lon: 13.25, name: 'Lab', address: 'Street 1' } })
  const ada = { displayName: 'Ada', vcard: vcard('Ada', '15551234567') }
  const bob = { displayName: 'Bob', vcard: vcard('Bob', '15557654321') }
  const one = await hears({ contacts: { contacts: [ada] } }, { what: 'contact' })
  assert.deepEqual(one.contacts, [{ name: 'Ada', phones: ['+15551234567'], jid: '15551234567@s.whatsapp.net', vcard: ada.vcard }])
  const several = await hears({ contacts: { displayName: 'two', contacts: [ada, bob] } }, { what: 'contacts' })
  assert.deepEqual(several.contacts.map(card => card.name), ['Ada', 'Bob'])
  await hears({ buttonReply: { id: 'y', displayText: 'Yes' }, type: 'plain' }, { what: 'button', text: 'Yes', button: { id: 'y', text: 'Yes' } })
  await hears({ buttonReply: { id: 'y', displayText: 'Yes', index: 1 }, type: 'template' },
    { what: 'button', button: { id: 'y', text: 'Yes', index: 1 } })
  await hears({ listReply: { title: 'Tea', listType: 1, singleSelectReply: { selectedRowId: 't' }, description: 'green' } },
    { what: 'button', button: { id: 't', text: 'Tea', description: 'green' } })
  await hears({ requestPhoneNumber: true }, { what: 'phone_request' })
  await hears({ sharePhoneNumber: true }, { what: 'phone_share' })
  await hears({ text: 'psst', viewOnce: true }, { what: 'text', text: 'psst', view_once: true })
  await hears({ album: { expectedImageCount: 2, expectedVideoCount: 1 } }, { what: 'album' })
  await hears({ text: 'soon gone', contextInfo: { expiration: 86400 } }, { what: 'text', expires: 86400 })

  await ben.send(bot.jid, '!say text')
  const said = await ben.next(isMessage, 'a text')
  await hears({ forward: said.raw, force: true }, { what: 'text', text: said.text, forwarded: 1 })
  await hears({ text: 'about that' }, { what: 'text', quoted: { id: said.id, sender: bot.lid, chat: ben.lid, what: 'text', text: said.text } }, said)
}

// Contents Baileys has no words for, but a schema.
const relayed = async scene => {
  const [bot, ben] = await two(scene)
  const hears = async (message, wanted) => {
    const id = generateMessageID()
    await ben.sock.relayMessage(bot.jid, message, { messageId: id })
    const heard = await bot.next(isMessage, `a message of kind ${wanted.what}`)
    assert.deepEqual({ id, ...some(wanted, heard) }, { id: heard.id, ...wanted })
    return id
  }
  const answered = async (menu, wanted) => {
    const id = await hears(menu, wanted)
    const answer = await ben.next(isMessage, 'the answer to a menu')
    const [content] = Object.entries(answer.raw.message).filter(([name]) => name !== 'messageContextInfo')
    assert.equal(content[1].contextInfo.stanzaId, id)
    return content
  }
  const choices = [{ id: 'y', text: 'Yes' }]

  await hears({ liveLocationMessage: { degreesLatitude: 52.5, degreesLongitude: 13.25, caption: 'walking', sequenceNumber: 1 } },
    { what: 'live_location', text: 'walking', location: { lat: 52.5, lon: 13.25 } })
  const [, button] = await answered(
    { buttonsMessage: { contentText: 'Tea?', buttons: [{ buttonId: 'y', buttonText: { displayText: 'Yes' }, type: 1 }], headerType: 1 } },
    { what: 'buttons', text: 'Tea?', menu: { text: 'Tea?', choices } })
  assert.deepEqual([button.selectedButtonId, button.selectedDisplayText], ['y', 'Yes'])
  const [, row] = await answered(
    { listMessage: { description: 'Tea?', buttonText: 'Open', listType: 1, sections: [{ rows: [{ rowId: 'y', title: 'Yes' }] }] } },
    { what: 'list', text: 'Tea?', menu: { text: 'Tea?', button: 'Open', choices } })
  assert.deepEqual([row.singleSelectReply.selectedRowId, row.title], ['y', 'Yes'])
  const [, reply] = await answered(
    { templateMessage: { hydratedTemplate: { hydratedContentText: 'Tea?', hydratedButtons: [
      { index: 0, quickReplyButton: { id: 'y', displayText: 'Yes' } }] } } },
    { what: 'template', text: 'Tea?', menu: { text: 'Tea?', choices } })
  assert.deepEqual([reply.selectedId, reply.selectedDisplayText], ['y', 'Yes'])
  const [, flow] = await answered(
    { interactiveMessage: { body: { text: 'Tea?' }, nativeFlowMessage: { buttons: [
      { name: 'quick_reply', buttonParamsJson: JSON.stringify({ id: 'y', display_text: 'Yes' }) }] } } },
    { what: 'interactive', text: 'Tea?', menu: { text: 'Tea?', choices: [{ ...choices[0], flow: 'quick_reply' }] } })
  assert.deepEqual([flow.body.text, JSON.parse(flow.nativeFlowResponseMessage.paramsJson)], ['Yes', { id: 'y' }])

  await hears({ productMessage: { businessOwnerJid: ben.jid, product: { productId: '7', title: 'Cup', currencyCode: 'EUR', priceAmount1000: 12500 } } },
    { what: 'product', product: { id: '7', title: 'Cup', currency: 'EUR', price: 12.5, owner: ben.jid } })
  await hears({ orderMessage: { orderId: '5', orderTitle: 'Cups', itemCount: 2, message: 'please', totalAmount1000: 25000, totalCurrencyCode: 'EUR' } },
    { what: 'order', text: 'please', order: { id: '5', title: 'Cups', items: 2, total: 25, currency: 'EUR' } })
  await hears({ requestPaymentMessage: { amount1000: 12500, currencyCodeIso4217: 'BRL', noteMessage: { conversation: 'rent' } } },
    { what: 'payment', text: 'rent', payment: { action: 'requested', amount: 12.5, currency: 'BRL' } })
  await hears({ imageMessage: { caption: 'look', mimetype: 'image/jpeg' } }, { what: 'image', text: 'look' })
  const invite = { groupJid: '120363000000000001@g.us', inviteCode: 'code', inviteExpiration: 1800000000, groupName: 'Tea', caption: 'come' }
  await hears({ groupInviteMessage: invite }, // its own words ask for the group's picture first, and give up where there is none
    { what: 'invite', text: 'come', invite: { group: invite.groupJid, code: 'code', expires: 1800000000, subject: 'Tea' } })
  await hears({ newsletterAdminInviteMessage: { newsletterJid: '1@newsletter', newsletterName: 'News', inviteExpiration: 5 } },
    { what: 'newsletter_invite', invite: { newsletter: '1@newsletter', name: 'News', expires: 5, admin: true } })
  let deep = { conversation: 'deep' }
  for (let i = 0; i < 8; i++) deep = { [i % 2 ? 'ephemeralMessage' : 'botInvokeMessage']: { message: deep } }
  await hears(deep, { what: 'text', text: 'deep' })
}

const fromBot = async scene => {
  const [bot, ben] = await two(scene)
  const asks = async (word, field, wanted) => {
    const id = await ben.send(bot.jid, `!say ${word}`)
    const { raw: { message } } = await ben.next(isMessage, `what '${word}' stands for`)
    const content = message.viewOnceMessage?.message[field] ?? message[field]
    assert.ok(content, `${word}: ${Object.keys(message)}`)
    assert.deepEqual(some(wanted, JSON.parse(JSON.stringify(content))), wanted)
    assert.equal(content.contextInfo.stanzaId, id)
    return content
  }
  const mention = await asks('text', 'extendedTextMessage', { text: `hello @${userOf(ben.lid)}` })
  assert.deepEqual(mention.contextInfo.mentionedJid, [ben.lid])
  assert.equal((await asks('everyone', 'extendedTextMessage', { text: 'all of you' })).contextInfo.nonJidMentions, 1)
  await asks('preview', 'extendedTextMessage', { matchedText: 'https://a.example/x', title: 'Title of https://a.example/x', description: 'A page' })
  await asks('location', 'locationMessage', { degreesLatitude: 52.5, degreesLongitude: 13.25, name: 'Lab', address: 'Street 1' })
  await asks('live_location', 'liveLocationMessage', { degreesLatitude: 52.5, degreesLongitude: 13.25, accuracyInMeters: 10, caption: 'walking' })
  const card = await asks('contact', 'contactMessage', { displayName: 'Ada Lovelace' })
  assert.match(card.vcard, /^BEGIN:VCARD\nVERSION:3.0\nN:;Ada Lovelace;;;\nFN:Ada Lovelace\nTEL;[^:]*waid=15551234567:\+1 555 123 4567\nEND:VCARD$/)
  assert.equal((await asks('contacts', 'contactsArrayMessage', { displayName: '2 contacts' })).contacts.length, 2)
  await asks('invite', 'groupInviteMessage', { groupJid: '120363000000000001@g.us', inviteCode: 'code', groupName: 'Tea', caption: 'come' })
  const { product } = await asks('product', 'productMessage', { businessOwnerJid: ben.jid, body: 'look' })
  assert.deepEqual([product.productId, product.title, Number(product.priceAmount1000), product.currencyCode], ['7', 'Cup', 12500, 'EUR'])
  await ben.send(bot.jid, '!say once')
  const { raw: once } = await ben.next(isMessage, 'that something is there to be seen once')
  assert.deepEqual([once.key.isViewOnce, once.message ?? null], [true, null])
  await asks('number', 'requestPhoneNumberMessage', {})
  await ben.send(bot.jid, '!forward me')
  const { raw: { message: { extendedTextMessage: forwarded } } } = await ben.next(isMessage, 'it forwarded')
  assert.deepEqual([forwarded.text, forwarded.contextInfo.isForwarded, forwarded.contextInfo.forwardingScore], ['!forward me', true, 0])
}

// In a group that names its members by LID: whom a mention and a quote name.
const inGroup = async scene => {
  const [bot, ben] = await two(scene)
  const { id: group } = await ben.sock.groupCreate('Tea', [bot.jid])
  await ben.send(group, { text: `hello @${userOf(bot.lid)}`, mentions: [bot.lid] })
  const heard = await bot.next(isMessage, 'a mention')
  assert.deepEqual([heard.chat, heard.mentions, heard.me], [group, [bot.lid], true])
  const asked = await ben.send(group, '!say text')
  const { raw: { message: { extendedTextMessage: answer } } } = await ben.next(isMessage, 'a mention in return')
  assert.deepEqual([answer.text, answer.contextInfo.mentionedJid], [`hello @${userOf(ben.lid)}`, [ben.lid]])
  assert.deepEqual([answer.contextInfo.stanzaId, answer.contextInfo.participant], [asked, ben.lid])
  const where = await ben.send(group, '!say location')
  const { raw: { message: { locationMessage } } } = await ben.next(isMessage, 'a location')
  assert.deepEqual([locationMessage.name, locationMessage.contextInfo.stanzaId], ['Lab', where])
  await ben.sock.updateMemberLabel(group, 'cook')
  const label = await bot.next(isMessage, 'a label')
  assert.deepEqual([label.what, label.label, label.chat], ['member_label', 'cook', group])
  const told = new Promise(resolve => ben.sock.ev.on('group.member-tag.update', resolve))
  await ben.send(group, '!label baker')
  const { groupId, label: theirs, participant } = await told
  assert.deepEqual([groupId, theirs, participant], [group, 'baker', bot.lid])
}

export default [
  { name: 'our bot tells of every kind Baileys can send', run: toBot },
  { name: 'menus, products, orders, payments and wrappers of Baileys reach our bot, which answers the menus', run: relayed },
  { name: 'Baileys reads every kind our bot sends', run: fromBot },
  { name: 'mentions and quotes in a group name people as Baileys does, and labels of members go both ways', run: inGroup },
]

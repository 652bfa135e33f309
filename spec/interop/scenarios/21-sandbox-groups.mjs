// Groups among Baileys alone, on a strict sandbox: whatever Baileys can do to a group is done, answered as it reads it, and told to the
// others as they read it.
import assert from 'node:assert/strict'
import chatter from 'baileys/lib/Utils/logger.js'

chatter.level = 'silent' // what Baileys thinks while it makes communities, whatever logger it was given

const isMessage = e => e.kind === 'message'
const about = (what, chat) => e => e.kind === 'group' && e.what === what && (!chat || e.chat === chat)

// Peers by their names, all linked to one sandbox.
const gather = async (scene, ...names) => {
  const sandbox = await scene.sandbox()
  const peers = []
  for (const name of names) peers.push(await scene.peer(sandbox, name))
  return [sandbox, ...peers]
}

const statuses = list => list.map(one => Number(one.status))

// What a call is refused with, as Baileys tells it.
const refusal = async work => {
  try { await work } catch (error) { return Number(error.data) || error.output?.statusCode || error.message }
}

const ranks = group => Object.fromEntries(group.participants.map(one => [one.id, one.admin]))

const members = async scene => {
  const [, ben, cem, dan] = await gather(scene, 'Ben', 'Cem', 'Dan')
  const made = await ben.sock.groupCreate('Tea', [cem.jid])
  assert.deepEqual([made.subject, made.owner, made.addressingMode, made.size], ['Tea', ben.lid, 'lid', 2])
  const welcome = await cem.next(about('new', made.id), 'its new group')
  assert.deepEqual([welcome.by, ranks(welcome.group)], [ben.lid, { [ben.lid]: 'superadmin', [cem.lid]: null }])
  const change = (peer, people, action) => peer.sock.groupParticipantsUpdate(made.id, people.map(one => one.jid ?? one), action)

  assert.equal(await refusal(change(cem, [dan], 'add')), 403)
  assert.deepEqual(statuses(await change(ben, [dan, cem, '15550000000@s.whatsapp.net'], 'add')), [200, 409, 404])
  assert.deepEqual((await cem.next(about('add'), 'who came')).people, [dan.lid])
  assert.equal((await dan.next(about('new', made.id), 'its new group')).group.size, 3)

  await change(ben, [cem], 'promote')
  const promoted = await dan.next(about('promote'), 'a new admin')
  assert.deepEqual([promoted.by, promoted.people], [ben.lid, [cem.lid]])
  assert.deepEqual(ranks(await dan.sock.groupMetadata(made.id)), { [ben.lid]: 'superadmin', [cem.lid]: 'admin', [dan.lid]: null })
  assert.deepEqual(statuses(await change(cem, [ben], 'remove')), [405])
  assert.equal(await refusal(change(cem, [ben], 'demote')), 405)
  await change(ben, [cem], 'demote')
  assert.deepEqual((await dan.next(about('demote'), 'an admin less')).people, [cem.lid])

  const id = await cem.send(made.id, 'all three')
  for (const peer of [ben, dan]) assert.equal((await peer.next(isMessage, "Cem's text")).id, id)
  assert.deepEqual(statuses(await change(ben, [dan], 'remove')), [200])
  for (const peer of [cem, dan]) assert.deepEqual((await peer.next(about('remove'), 'who went')).people, [dan.lid])
  const without = await ben.send(made.id, 'without Dan')
  assert.equal((await cem.next(isMessage, "Ben's text")).id, without)
  assert.equal(await refusal(dan.sock.groupMetadata(made.id)), 403)
  assert.deepEqual(Object.keys(await dan.sock.groupFetchAllParticipating()), [])
  assert.deepEqual(Object.keys(await cem.sock.groupFetchAllParticipating()), [made.id])

  await ben.sock.groupLeave(made.id)
  assert.deepEqual((await cem.next(about('promote'), 'its own rank')).people, [cem.lid])
  assert.deepEqual((await cem.next(about('remove'), 'who left')).people, [ben.lid])
  assert.deepEqual(ranks(await cem.sock.groupMetadata(made.id)), { [cem.lid]: 'admin' })
  assert.equal(dan.heard.filter(e => e.id === without).length, 0)
}

const settings = async scene => {
  const [, ben, cem] = await gather(scene, 'Ben', 'Cem')
  const { id } = await ben.sock.groupCreate('Tea', [cem.jid])
  await cem.next(about('new', id), 'its new group')
  const hears = async wanted => assert.deepEqual((await cem.next(about('set', id), JSON.stringify(wanted))).change, wanted)

  await cem.sock.groupUpdateSubject(id, 'Coffee ☕')
  assert.equal((await ben.next(about('set', id), 'the new subject')).change.subject, 'Coffee ☕')
  await hears({ subject: 'Coffee ☕' })
  await ben.sock.groupUpdateDescription(id, 'Black or white')
  await hears({ desc: 'Black or white' })
  await ben.sock.groupUpdateDescription(id, 'Black')
  await hears({ desc: 'Black' })
  assert.equal((await cem.sock.groupMetadata(id)).desc, 'Black')
  await ben.sock.groupUpdateDescription(id)
  assert.equal((await cem.next(about('set', id), 'no description')).change.desc, undefined)
  assert.equal((await cem.sock.groupMetadata(id)).desc, undefined)

  assert.equal(await refusal(cem.sock.groupSettingUpdate(id, 'locked')), 403)
  for (const [setting, change] of [
    ['locked', { restrict: true }], ['unlocked', { restrict: false }], ['announcement', { announce: true }], ['not_announcement', { announce: false }],
  ]) {
    await ben.sock.groupSettingUpdate(id, setting)
    await hears(change)
  }
  await ben.sock.groupMemberAddMode(id, 'all_member_add')
  await hears({ memberAddMode: true })
  await ben.sock.groupJoinApprovalMode(id, 'on')
  await hears({ joinApprovalMode: true })
  await ben.sock.groupToggleEphemeral(id, 86400)
  await ben.sock.groupSettingUpdate(id, 'locked')
  await hears({ restrict: true })
  const shown = await cem.sock.groupMetadata(id)
  assert.deepEqual([shown.restrict, shown.announce, shown.memberAddMode, shown.joinApprovalMode, shown.ephemeralDuration, shown.subject],
    [true, false, true, true, 86400, 'Coffee ☕'])
  assert.equal(await refusal(cem.sock.groupUpdateSubject(id, 'Water')), 403)
  await ben.sock.groupToggleEphemeral(id, 0)
  await ben.sock.groupJoinApprovalMode(id, 'off')
  await hears({ joinApprovalMode: false })
  const off = await cem.sock.groupMetadata(id)
  assert.deepEqual([off.ephemeralDuration, off.joinApprovalMode], [undefined, false])
}

const joining = async scene => {
  const [, ben, cem, dan] = await gather(scene, 'Ben', 'Cem', 'Dan')
  const { id } = await ben.sock.groupCreate('Tea', [])
  const code = await ben.sock.groupInviteCode(id)
  const preview = await cem.sock.groupGetInviteInfo(code)
  assert.deepEqual([preview.id, preview.subject, preview.size, preview.participants.length], [id, 'Tea', 1, 0])
  assert.equal(await cem.sock.groupAcceptInvite(code), id)
  assert.equal((await cem.next(about('new', id), 'its new group')).by, cem.lid)
  assert.deepEqual((await ben.next(about('add'), 'who came')).people, [cem.lid])
  assert.equal(await refusal(cem.sock.groupInviteCode(id)), 401)

  const other = await ben.sock.groupRevokeInvite(id)
  assert.equal((await cem.next(about('set', id), 'the new link')).change.inviteCode, other)
  assert.deepEqual([await refusal(dan.sock.groupAcceptInvite(code)), await refusal(dan.sock.groupGetInviteInfo('nonsense'))], [410, 406])

  await ben.sock.groupJoinApprovalMode(id, 'on')
  const wishes = async () => {
    await dan.sock.groupAcceptInvite(other)
    const wish = await ben.next(e => about('request', id)(e) && e.action === 'created', 'that Dan wants to come in')
    assert.deepEqual([wish.by, wish.person, wish.method], [dan.lid, dan.lid, 'invite_link'])
    const [request, ...more] = await ben.sock.groupRequestParticipantsList(id)
    assert.deepEqual([request.jid, request.request_method, more], [dan.lid, 'invite_link', []])
  }
  await wishes()
  assert.deepEqual(statuses(await ben.sock.groupRequestParticipantsUpdate(id, [dan.lid], 'reject')), [200])
  for (const peer of [dan, ben]) assert.equal((await peer.next(about('request', id), 'that Dan may not')).action, 'rejected')
  await wishes()
  assert.deepEqual(statuses(await ben.sock.groupRequestParticipantsUpdate(id, [dan.lid], 'approve')), [200])
  assert.equal((await dan.next(about('new', id), 'its new group')).group.size, 3)
  const sent = await dan.send(id, 'here I am')
  for (const peer of [ben, cem]) assert.equal((await peer.next(isMessage, "Dan's text")).id, sent)
}

// Dan lets nobody add him: he gets an invitation of his own, as a message would bring it.
const invited = async scene => {
  const [, ben, dan] = await gather(scene, 'Ben', 'Dan')
  await dan.sock.updateGroupsAddPrivacy('none')
  const { id } = await ben.sock.groupCreate('Tea', [])
  const invite = async () => {
    const [{ status, content }] = await ben.sock.groupParticipantsUpdate(id, [dan.jid], 'add')
    assert.equal(status, '403')
    const { code, expiration } = content.content.find(one => one.tag === 'add_request').attrs
    return { groupJid: id, inviteCode: code, inviteExpiration: Number(expiration) }
  }
  const withdrawn = await invite()
  assert.equal(await ben.sock.groupRevokeInviteV4(id, dan.lid), true)
  assert.equal(await refusal(dan.sock.groupAcceptInviteV4(ben.lid, withdrawn)), 410)
  assert.equal(await dan.sock.groupAcceptInviteV4(ben.jid, await invite()), id)
  await dan.next(about('new', id), 'its new group')
  assert.equal((await dan.sock.groupMetadata(id)).size, 2)
}

const bothModes = async scene => {
  const [sandbox, ben, cem, dan] = await gather(scene, 'Ben', 'Cem', 'Dan')
  for (const mode of ['lid', 'pn']) {
    const { jid } = JSON.parse(await sandbox.admin('POST', 'mock-phone/group', JSON.stringify({
      creator: ben.jid, subject: mode, members: [cem.jid, dan.jid], mode,
    })))
    for (const peer of [ben, cem, dan]) {
      const { group } = await peer.next(about('new', jid), 'its new group')
      assert.deepEqual([group.addressingMode, group.participants.map(one => one.id).sort()], [mode, [ben[name(mode)], cem[name(mode)], dan[name(mode)]].sort()])
    }
    for (const author of [ben, cem, dan]) {
      for (const text of ['one', 'two']) {
        const id = await author.send(jid, text)
        for (const peer of [ben, cem, dan].filter(one => one !== author)) {
          const heard = await peer.next(isMessage, `${author.name}'s text`)
          const { participant, participantAlt } = heard.raw.key
          const names = [participant, participantAlt].map(one => one.replace(/:\d+@/, '@'))
          assert.deepEqual([heard.id, heard.chat, heard.text, names],
            [id, jid, text, mode === 'lid' ? [author.lid, author.jid] : [author.jid, author.lid]])
        }
      }
    }
  }
}
const name = mode => mode === 'lid' ? 'lid' : 'jid'

const communities = async scene => {
  const [, ben, cem] = await gather(scene, 'Ben', 'Cem')
  const top = await ben.sock.communityCreate('Garden', 'All about it')
  assert.deepEqual([top.isCommunity, top.subject, top.desc], [true, 'Garden', 'All about it'])
  const roses = await ben.sock.communityCreateGroup('Roses', [cem.jid], top.id)
  assert.equal(roses.linkedParent, top.id)
  const chats = new Map()
  while (chats.size < 3) {
    const { chat, group } = await cem.next(about('new'), `group ${chats.size + 1} of the community`)
    chats.set(chat, group)
  }
  assert.ok(chats.has(roses.id) && chats.has(top.id) && [...chats.values()].some(group => group.isCommunityAnnounce))
  const tulips = await ben.sock.groupCreate('Tulips', [])
  await ben.sock.communityLinkGroup(tulips.id, top.id)
  const linked = async () => (await ben.sock.communityFetchLinkedGroups(top.id)).linkedGroups.map(one => one.subject).sort()
  assert.deepEqual(await linked(), ['Garden', 'Garden', 'Roses', 'Tulips'])
  await ben.sock.communityUnlinkGroup(tulips.id, top.id)
  assert.deepEqual(await linked(), ['Garden', 'Garden', 'Roses'])
  await cem.sock.communityLeave(top.id)
  assert.deepEqual(Object.keys(await cem.sock.groupFetchAllParticipating()), [])
}

export default [
  { name: 'Baileys adds, promotes, demotes, removes and leaves in groups of Baileys', run: members },
  { name: 'Baileys names, describes and sets a group of Baileys', run: settings },
  { name: 'Baileys comes into a group of Baileys by link, and when an admin says yes', run: joining },
  { name: 'Baileys comes into a group of Baileys by an invitation of its own', run: invited },
  { name: 'three Baileys read each other in a group of LIDs and in one of phone numbers', run: bothModes },
  { name: 'Baileys makes, fills and leaves communities', run: communities },
]

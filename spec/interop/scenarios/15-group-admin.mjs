// Groups changed by Baileys, which our client is told of and knows rightly afterwards; and by our client, which Baileys is told of.
import assert from 'node:assert/strict'

const isGroup = e => e.kind === 'group'

// Our client and two Baileys.
const three = async scene => {
  const sandbox = await scene.sandbox()
  const [ana, ben, cem] = [await scene.client(sandbox, 'Ana'), await scene.peer(sandbox, 'Ben'), await scene.peer(sandbox, 'Cem')]
  return { sandbox, ana, ben, cem }
}

// Some of a thing's fields, as they are named in `wanted`.
const some = (wanted, thing) => Object.fromEntries(Object.keys(wanted).map(name => [name, thing?.[name]]))

// Our client is told of a change, and has the group in this state without asking.
const tells = ana => async (group, wanted, known = {}) => {
  const event = await ana.next(isGroup, JSON.stringify(wanted))
  assert.deepEqual(some(wanted, event), wanted)
  assert.equal(event.chat, group)
  const state = await ana.call('known', group)
  assert.deepEqual(some(known, state), known)
  return state
}

const jids = state => state.participants.map(one => one.jid)

const byBaileys = async scene => {
  const { ana, ben, cem } = await three(scene)
  const told = tells(ana)
  const { id } = await ben.sock.groupCreate('Tea', [ana.jid])
  const made = await told(id, { action: 'create', by: ben.lid, me: true, subject: 'Tea' }, { subject: 'Tea', addressing: 'lid' })
  assert.deepEqual(made.participants, [
    { jid: ben.lid, lid: ben.lid, pn: ben.jid, rank: 'superadmin' }, { jid: ana.lid, lid: ana.lid, pn: ana.jid },
  ])
  await ben.sock.groupParticipantsUpdate(id, [cem.jid], 'add')
  assert.deepEqual(jids(await told(id, { action: 'add', by: ben.lid, participants: [cem.lid] })), [ben.lid, ana.lid, cem.lid])
  await ben.sock.groupParticipantsUpdate(id, [ana.lid], 'promote')
  assert.equal((await told(id, { action: 'promote', me: true })).participants[1].rank, 'admin')
  await ben.sock.groupParticipantsUpdate(id, [ana.lid], 'demote')
  assert.equal((await told(id, { action: 'demote', participants: [ana.lid] })).participants[1].rank, undefined)
  await ben.sock.groupUpdateSubject(id, 'Coffee')
  await told(id, { action: 'subject', subject: 'Coffee' }, { subject: 'Coffee' })
  await ben.sock.groupUpdateDescription(id, 'black')
  await told(id, { action: 'description', description: 'black' }, { description: 'black' })
  await ben.sock.groupUpdateDescription(id)
  await told(id, { action: 'description', description: undefined }, { description: undefined })
  for (const [change, setting, value] of [
    [() => ben.sock.groupSettingUpdate(id, 'announcement'), 'announce', true],
    [() => ben.sock.groupSettingUpdate(id, 'not_announcement'), 'announce', false],
    [() => ben.sock.groupSettingUpdate(id, 'locked'), 'locked', true],
    [() => ben.sock.groupSettingUpdate(id, 'unlocked'), 'locked', false],
    [() => ben.sock.groupToggleEphemeral(id, 86400), 'ephemeral', 86400], [() => ben.sock.groupToggleEphemeral(id, 0), 'ephemeral', 0],
    [() => ben.sock.groupMemberAddMode(id, 'all_member_add'), 'member_add', 'all'],
    [() => ben.sock.groupJoinApprovalMode(id, 'on'), 'join_approval', true],
    [() => ben.sock.groupJoinApprovalMode(id, 'off'), 'join_approval', false],
  ]) {
    await change()
    await told(id, { action: 'settings', setting, value }, { [setting]: value })
  }
  const code = await ben.sock.groupRevokeInvite(id)
  await told(id, { action: 'invite', code })
  await ben.sock.groupParticipantsUpdate(id, [cem.jid], 'remove')
  assert.deepEqual(jids(await told(id, { action: 'remove', participants: [cem.lid] })), [ben.lid, ana.lid])
  await cem.sock.groupAcceptInvite(await ben.sock.groupInviteCode(id)).catch(error => assert.match(error.message, /not-allowed/))
  await ben.sock.groupParticipantsUpdate(id, [ana.jid], 'remove')
  assert.deepEqual(await told(id, { action: 'remove', me: true }), undefined)
}

const comeAndGo = async scene => {
  const { ana, ben, cem } = await three(scene)
  const told = tells(ana)
  const { id } = await ben.sock.groupCreate('Tea', [ana.jid])
  await told(id, { action: 'create' })
  await cem.sock.groupAcceptInvite(await ben.sock.groupInviteCode(id))
  assert.deepEqual(jids(await told(id, { action: 'join', by: cem.lid, participants: [cem.lid] })), [ben.lid, ana.lid, cem.lid])
  await cem.sock.groupLeave(id)
  assert.deepEqual(jids(await told(id, { action: 'leave', by: cem.lid, participants: [cem.lid] })), [ben.lid, ana.lid])
}

// What Baileys is told of.
const hears = peer => async (group, what, wanted) => {
  const event = await peer.next(e => isGroup(e) && e.what === what, `${what} ${JSON.stringify(wanted)}`)
  assert.equal(event.chat, group)
  assert.deepEqual(some(wanted, event), wanted)
  return event
}

const members = group => group.participants.map(one => one.id)

const byOurs = async scene => {
  const { ana, ben, cem } = await three(scene)
  const told = hears(ben)
  const { jid: id } = await ana.call('groups', 'create', { subject: 'Tea', members: [ben.jid], description: 'at five' })
  const { group } = await told(id, 'new', { by: ana.lid })
  const wanted = { subject: 'Tea', desc: 'at five', owner: ana.lid, addressingMode: 'lid', size: 2 }
  assert.deepEqual(some(wanted, group), wanted)
  assert.deepEqual(members(group), [ana.lid, ben.lid])
  for (const action of ['add', 'promote', 'demote', 'remove']) {
    const [result] = await ana.call('groups', action, id, [cem.jid])
    assert.deepEqual([result.jid, result.ok], [cem.lid, true])
    await told(id, action, { by: ana.lid, people: [cem.lid] })
  }
  await ana.call('groups', 'set_subject', id, 'Coffee')
  await told(id, 'set', { by: ana.lid, change: { subject: 'Coffee' } })
  await ana.call('groups', 'set_description', id, 'black')
  await told(id, 'set', { change: { desc: 'black' } })
  for (const [setting, on, off, name] of [
    ['announce', true, false, 'announce'], ['locked', true, false, 'restrict'], ['join_approval', true, false, 'joinApprovalMode'],
    ['member_add', 'all', 'admins', 'memberAddMode'],
  ]) {
    await ana.call('groups', 'set', id, { [setting]: on })
    await told(id, 'set', { change: { [name]: true } })
    await ana.call('groups', 'set', id, { [setting]: off })
    await told(id, 'set', { change: { [name]: false } })
  }
  await ana.call('groups', 'set', id, { ephemeral: 86400 })
  const code = await ana.call('groups', 'revoke_invite', id)
  await told(id, 'set', { change: { inviteCode: code } })
  const seen = await ben.sock.groupMetadata(id)
  assert.deepEqual(some({ subject: 0, desc: 0, ephemeralDuration: 0, announce: 0, restrict: 0 }, seen),
    { subject: 'Coffee', desc: 'black', ephemeralDuration: 86400, announce: false, restrict: false })
  assert.equal((await cem.sock.groupGetInviteInfo(code)).subject, 'Coffee')
  await ana.call('groups', 'leave', id)
  await told(id, 'remove', { by: ana.lid, people: [ana.lid] })
}

const requests = async scene => {
  const { ana, ben, cem } = await three(scene)
  const told = tells(ana)
  const { jid: id } = await ana.call('groups', 'create', { subject: 'Tea', members: [ben.jid], join_approval: true })
  await told(id, { action: 'create' })
  await cem.sock.groupAcceptInvite(await ana.call('groups', 'invite_code', id))
  await told(id, { action: 'request', method: 'invite_link', participants: [cem.lid] })
  const [request] = await ana.call('groups', 'join_requests', id)
  assert.deepEqual([request.jid, `${request.phone}@s.whatsapp.net`], [cem.lid, cem.jid])
  const [result] = await ana.call('groups', 'approve', id, [cem.lid])
  assert.equal(result.ok, true)
  assert.deepEqual(members((await hears(cem)(id, 'new', {})).group), [ana.lid, ben.lid, cem.lid])
  await hears(ben)(id, 'add', { people: [cem.lid] })
}

// Who lets nobody add him is sent an invite, and comes in by it: Baileys into our group, our client into one of Baileys.
const personal = async scene => {
  const { ana, ben, cem } = await three(scene)
  await ben.sock.updateGroupsAddPrivacy('none')
  const { jid: id } = await ana.call('groups', 'create', { subject: 'Tea', members: [cem.jid] })
  const [refused] = await ana.call('groups', 'add', id, [ben.jid])
  assert.deepEqual([refused.code, refused.status], ['forbidden', 403])
  const invite = { group: id, subject: 'Tea', ...refused.invite }
  await ana.send(ben.jid, { invite, text: 'come' })
  const card = await ben.next(e => e.kind === 'message', 'the invite')
  await ben.sock.groupAcceptInviteV4(card.raw.key, card.raw.message.groupInviteMessage)
  assert.equal((await ben.sock.groupMetadata(id)).participants.length, 3)
  assert.deepEqual((await ana.next(e => isGroup(e) && e.action === 'join', 'that Ben came')).participants, [ben.lid])
}

export default [
  { name: 'our client is told of all that Baileys does to a group, and knows it rightly', run: byBaileys },
  { name: 'our client is told who joins a group of Baileys by its link, and who leaves', run: comeAndGo },
  { name: 'Baileys is told of all that our client does to a group', run: byOurs },
  { name: 'Baileys asks to join a group of our client, and is let in', run: requests },
  { name: 'Baileys lets nobody add it, and comes into a group by the invite our client sends', run: personal },
]

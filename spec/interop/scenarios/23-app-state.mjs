// The app state of one account on two of its devices, ours and Baileys': a message deleted for the account alone on one is gone on the
// other, whichever was linked first.
import assert from 'node:assert/strict'

const isMessage = e => e.kind === 'message'
const text = wanted => e => isMessage(e) && e.text === wanted
const deleted = id => e => isMessage(e) && e.what === 'deleted_for_me' && e.to === id

// What Baileys is told to forget.
const forgets = (peer, id) => new Promise(resolve => peer.sock.ev.on('messages.delete', ({ keys }) => {
  for (const key of keys ?? []) if (key.id === id) resolve(key)
}))

// A text of Cem's that both devices have heard; how each of them calls it.
const heard = async ({ cem, ours, theirs }, words) => {
  const id = await cem.send(ours.jid, words)
  await ours.next(text(words), words)
  return { id, event: await theirs.next(text(words), words) }
}

const baileysDeletes = async (scene, words) => {
  const { id, event } = await heard(scene, words)
  await scene.theirs.sock.chatModify({
    deleteForMe: { deleteMedia: false, key: event.raw.key, timestamp: Number(event.raw.messageTimestamp) },
  }, event.chat)
  const seen = await scene.ours.next(deleted(id), `that Baileys has deleted '${words}'`)
  assert.deepEqual([seen.of, seen.fromMe, seen.unknown], [scene.cem.lid, true, undefined])
  assert.equal((await scene.ours.call('message', scene.cem.lid, id)).text, undefined)
}

const weDelete = async (scene, words) => {
  const { id } = await heard(scene, words)
  const gone = forgets(scene.theirs, id)
  assert.equal(await scene.ours.call('hide', id), true)
  const key = await gone
  assert.deepEqual([key.id, key.fromMe], [id, false])
  assert.ok([scene.cem.lid, scene.cem.jid].includes(key.remoteJid), `in the chat ${key.remoteJid}`)
}

const together = oursFirst => async scene => {
  const sandbox = await scene.sandbox()
  const cem = await scene.peer(sandbox, 'Cem')
  const make = ours => ours ? scene.client(sandbox, 'Ben') : scene.peer(sandbox, 'Ben')
  const [first, second] = [await make(oursFirst), await make(!oursFirst)]
  const all = { cem, ours: oursFirst ? first : second, theirs: oursFirst ? second : first }
  await weDelete(all, 'ours to delete')
  await baileysDeletes(all, 'theirs to delete')
  await weDelete(all, 'ours again')
}

export default [
  { name: 'our client and then a Baileys on one account delete messages for it alone, and each sees it done', run: together(true) },
  { name: 'a Baileys and then our client on one account delete messages for it alone, and each sees it done', run: together(false) },
]

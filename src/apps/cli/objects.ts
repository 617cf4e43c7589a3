import { isRefusal } from '../../foundation/base/index.ts'
import { fabricObjects } from '../authority/index.ts'
import { type AuthorityClient, type Member, nodeErrors } from '../node/index.ts'
import { readAnswer } from './answers.ts'

/** Fetches the signed objects from the authority; `false` when it cannot be reached or refuses. */
export async function refreshObjects(member: Member, timeoutMs: number): Promise<boolean> {
  try {
    const client = await member.connectAuthority(timeoutMs)
    try {
      return await takeObjects(client, member)
    } finally {
      client.close()
    }
  } catch (error) {
    // A wrong clock is the reason for everything else: it is said, not covered up.
    if (nodeErrors.has(error) && error.code === 'KOS_NODE_CLOCK') throw error
    return false
  }
}

/** Takes the signed objects in force over an open connection; `false` when it is refused them. */
export async function takeObjects(client: AuthorityClient, member: Member): Promise<boolean> {
  member.fabric.apply('bundle', client.bundleBytes)
  const objects = readAnswer(await client.request('GET', '/v1/objects'), fabricObjects)
  if (isRefusal(objects)) return false
  for (const kind of ['directory', 'locks', 'manifest'] as const) {
    member.fabric.apply(kind, Buffer.from(objects[kind], 'base64'))
  }
  return true
}

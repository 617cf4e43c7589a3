/** A fabric under a company's root, as `openssl` and `curl` see it who know that root alone. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { pemEncode } from '../../../src/foundation/codec/index.ts'
import type { CaStatus } from '../../../src/apps/authority/index.ts'
import { type Company, createCompany } from '../../kit/company.ts'
import { connected, startFabric, type TestFabric, tlsOf } from '../../kit/fabric.ts'
import { missing, runOutside, type Said } from '../../kit/outside.ts'

const skip = missing('curl') || missing('openssl', 'version')

describe('a company’s root above the root of kOS', { skip }, () => {
  const ends: (() => unknown)[] = []
  const context = { after: (end: unknown) => void ends.push(end as () => unknown) }
  let fabric: TestFabric
  let rsa: Company
  before(async () => {
    fabric = await startFabric(context)
    rsa = createCompany(context, { key: 'RSA-3072' })
  })
  after(async () => {
    for (const end of ends) await end()
  })

  const put = (name: string, text: string): string => {
    const path = join(fabric.folder, name)
    writeFileSync(path, text)
    return path
  }
  const ca = async (...words: readonly string[]): Promise<string> => {
    const { code, out, err } = await fabric.kosctl(['ca', ...words])
    assert.equal(code, 0, err)
    return out
  }
  const refused = async (...words: readonly string[]): Promise<string> => {
    const { code, err } = await fabric.kosctl(['ca', ...words])
    assert.notEqual(code, 0)
    return err
  }
  const curl = (root: string, path: string = '/.well-known/est/cacerts'): Promise<Said> =>
    runOutside('curl', [
      '--noproxy',
      '*',
      '--silent',
      '--show-error',
      '--cacert',
      put('known.pem', root),
      `https://127.0.0.1:${fabric.authority.api.port}${path}`,
    ])
  /** A member's leaf alone, and the chain that an operator hands out. */
  const verify = (root: string, chain: string, leaf: string): Promise<Said> =>
    runOutside('openssl', [
      'verify',
      '-purpose',
      'sslserver',
      '-CAfile',
      put('root.pem', root),
      '-untrusted',
      put('chain.pem', chain),
      put('leaf.pem', leaf),
    ])
  const take = async (company: Company, ...of: readonly string[]): Promise<string> => {
    const signed = company.sign(await ca('csr', ...of))
    const all = `subject=CN = a comment\n${signed}${company.issuingPem}${company.rootPem}`
    return ca('chain', 'import', put('company.pem', all))
  }

  test('the authority and every member are accepted by it; inside nothing changes', async () => {
    const node = await fabric.addNode('camera-1')
    const leaf = pemEncode('CERTIFICATE', node.running.member.membership.leaf)
    assert.match((await curl(rsa.rootPem)).text, /certificate/i)
    assert.match(await refused('chain'), /ca\/no-chain/)
    assert.match(await take(rsa), /^imported\n\n[^]*outside +the company signed the root; ends in/)
    const answered = await curl(rsa.rootPem)
    assert.equal(answered.code, 0, answered.text)
    const chain = await ca('chain')
    assert.equal(chain.match(/BEGIN/g)?.length, 3)
    assert.match((await verify(rsa.rootPem, chain, leaf)).text, /: OK/)
    // Devices that know the root of kOS alone, and members, see what they saw.
    const token = await fabric.kosctl(['token', 'create', '--name', 'meter', '--est', '--json'])
    const { est } = JSON.parse(token.out) as { est: { rootPem: string } }
    assert.equal((await curl(est.rootPem)).code, 0)
    assert.match((await fabric.kosctl(['exec', 'camera-1', 'calc', '1+2'])).out, /^3\n/)
    // The authority starts with it, and a rotation below the root keeps it.
    await fabric.stopAuthority()
    await fabric.startAuthority()
    await connected(node)
    await ca('prepare')
    await ca('activate')
    assert.equal((await curl(rsa.rootPem)).code, 0)
    const { cert } = tlsOf(fabric.operator)
    const own = `${cert.split('-----END CERTIFICATE-----')[0]}-----END CERTIFICATE-----\n`
    assert.match((await verify(rsa.rootPem, await ca('chain', 'show'), own)).text, /: OK/)
    // What EST clients may need on the way; the company's root is no anchor that they asked for.
    const print = 'openssl base64 -d | openssl pkcs7 -inform DER -print_certs -noout'
    const listed = await runOutside('sh', ['-c', print], (await curl(rsa.rootPem)).text)
    assert.match(listed.text, /subject=.*kOS Root P-256\s+issuer=.*Example Issuing/)
    assert.doesNotMatch(listed.text, /subject=.*Example Root/)
  })

  test('it may sign the issuing intermediate only, and is warned of before it ends', async () => {
    await take(rsa, '--of', 'intermediate')
    const { cert: own } = await fabric.authorityIdentity()
    const chain = await ca('chain')
    assert.equal(chain.match(/BEGIN/g)?.length, 2)
    assert.match((await verify(rsa.rootPem, chain, own)).text, /: OK/)
    const status = async (): Promise<CaStatus['chain']> =>
      (JSON.parse(await ca('status', '--json')) as CaStatus).chain
    assert.equal((await status())?.state, 'in-force')
    await ca('activate')
    assert.equal((await status())?.state, 'stale')
    assert.match((await fabric.kosctl(['doctor'])).out, /company chain +The company signed an/)
    const short = rsa.sign(await ca('csr'), { days: 20 })
    await ca('chain', 'import', put('short.pem', short + rsa.issuingPem + rsa.rootPem))
    assert.equal((await status())?.state, 'ends-soon')
    await fabric.stopAuthority()
    await fabric.startAuthority()
    assert.match(fabric.authority.warnings.join(), /The chain to the company's root ends on 20/)
    assert.match(await ca('chain', 'remove', '--json'), /"bundle"/)
    assert.match(await refused('chain', 'remove'), /ca\/no-chain/)
    assert.notEqual((await curl(rsa.rootPem)).code, 0)
  })

  test('what is no chain of ours is refused', async () => {
    const file = put('stranger.pem', `${rsa.issuingPem}${rsa.rootPem}`)
    assert.match(await refused('chain', 'import', file), /KOS_PKI_CHAIN/)
    assert.match(await refused('chain', 'import', put('none.pem', 'none')), /rule +pem/)
    const broken = rsa.rootPem.replace(/\n/g, '\n ')
    assert.match(await refused('chain', 'import', put('broken.pem', broken)), /rule +pem/)
    const many = put('many.pem', rsa.rootPem.repeat(13))
    assert.match(await refused('chain', 'import', many), /rule +size/)
    assert.match(await refused('csr', '--of', 'leaf'), /--of is root or intermediate/)
    const both = ['csr', '--of', 'intermediate', '--root', file]
    assert.match(await refused(...both), /a root file holds no intermediate/)
  })
})

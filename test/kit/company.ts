/** A company's own certificate authority, as `openssl` is one. */
import type { TestContext } from 'node:test'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Keys that companies have. */
export type CompanyKey = 'RSA-3072' | 'P-384'

const NEW_KEY: Readonly<Record<CompanyKey, readonly string[]>> = {
  'RSA-3072': ['-newkey', 'rsa:3072'],
  'P-384': ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384'],
}

/** What a test changes about a certificate that the company signs. */
export interface CompanySigning {
  /** Lines of the extensions; what the request asks for by default. */
  readonly extensions?: string
  readonly days?: number
  /** Signed by the company's root itself instead of its issuing CA. */
  readonly byRoot?: boolean
}

/** A company with a root and an issuing CA below it. */
export interface Company {
  readonly rootPem: string
  /** Of the issuing CA. */
  readonly issuingPem: string
  /** Signs a request, PEM. */
  sign(csrPem: string, signing?: CompanySigning): string
}

/** Makes a company, whose issuing CA has a P-384 key; its folder is gone after the test. */
export function createCompany(
  context: Pick<TestContext, 'after'>,
  options: { readonly key: CompanyKey; readonly issuing?: string },
): Company {
  const folder = mkdtempSync(join(tmpdir(), 'kos-company-'))
  context.after(() => rmSync(folder, { recursive: true, force: true }))
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  }
  const put = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text)
    return name
  }
  const read = (name: string): string => readFileSync(join(folder, name), 'utf8')
  openssl(
    'req',
    '-x509',
    '-noenc',
    ...NEW_KEY[options.key],
    '-keyout',
    'root.key',
    '-out',
    'root.pem',
    '-days',
    '3650',
    '-subj',
    '/O=Example/CN=Example Root',
  )
  openssl(
    'req',
    '-noenc',
    ...NEW_KEY['P-384'],
    '-keyout',
    'issuing.key',
    '-out',
    'issuing.csr',
    '-subj',
    '/O=Example/CN=Example Issuing',
  )
  const sign = (csr: string, by: string, signing: CompanySigning): string => {
    const { extensions, days = 365 } = signing
    const wished =
      extensions === undefined
        ? ['-copy_extensions', 'copyall']
        : ['-extfile', put('extensions.cnf', extensions)]
    openssl(
      'x509',
      '-req',
      '-in',
      csr,
      '-CA',
      `${by}.pem`,
      '-CAkey',
      `${by}.key`,
      '-CAcreateserial',
      '-days',
      String(days),
      '-out',
      'signed.pem',
      ...wished,
    )
    return read('signed.pem')
  }
  const usages = 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n'
  const extensions = options.issuing ?? usages
  const issuingPem = sign('issuing.csr', 'root', { extensions, days: 1825 })
  put('issuing.pem', issuingPem)
  return {
    rootPem: read('root.pem'),
    issuingPem,
    sign: (csrPem, signing = {}) =>
      sign(put('request.csr', csrPem), signing.byRoot === true ? 'root' : 'issuing', signing),
  }
}

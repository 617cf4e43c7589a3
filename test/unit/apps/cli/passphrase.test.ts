/** Where passphrases come from: a file, or a person who may try three times, each time later. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { Secret, utf8 } from '../../../../src/foundation/base/index.ts'
import { createPassphraseSource, readPassphraseFile } from '../../../../src/apps/cli/passphrase.ts'
import { temporaryFolder } from '../../../kit/temporary.ts'

const text = (secret: Secret | undefined): string | undefined =>
  secret?.use((bytes) => Buffer.from(bytes).toString())

const fileError = (rule: string) => (error: unknown) =>
  error instanceof Error &&
  'code' in error &&
  error.code === 'KOS_CLI_PASSPHRASE_FILE' &&
  (error as { details?: { rule?: string } }).details?.rule === rule

describe('a person', () => {
  test('tries three times, and waits longer each time', () => {
    const events: string[] = []
    const source = createPassphraseSource({
      file: undefined,
      prompt: (question) => {
        events.push(question)
        return Secret.copy(utf8(`guess ${events.length}`))
      },
      wait: (ms) => void events.push(`${ms} ms`),
    })
    const answers = [1, 2, 3, 4].map((attempt) => text(source.ask('/state', attempt)))
    assert.deepEqual(answers, ['guess 1', 'guess 3', 'guess 5', undefined])
    const question = 'passphrase of /state: '
    assert.deepEqual(events, [question, '1000 ms', question, '2000 ms', question])
  })

  test('types the same one once, for each folder', () => {
    const asked: string[] = []
    const source = createPassphraseSource({
      file: undefined,
      prompt: (question) => {
        asked.push(question)
        return Secret.copy(utf8(question))
      },
      wait: () => assert.fail('nothing was wrong'),
    })
    source.ask('/a', 1)?.[Symbol.dispose]()
    assert.equal(text(source.ask('/a', 1)), 'passphrase of /a: ')
    assert.equal(text(source.ask('/b', 1)), 'passphrase of /b: ')
    assert.deepEqual(asked, ['passphrase of /a: ', 'passphrase of /b: '])
    assert.equal(source.forNew('/c'), undefined, 'a new store gets a key file')
  })

  test('who is not there is not asked again', () => {
    const wait = (): void => undefined
    assert.equal(createPassphraseSource({ file: undefined, wait }).ask('/a', 1), undefined)
    const gone = createPassphraseSource({ file: undefined, prompt: () => undefined, wait })
    assert.equal(gone.ask('/a', 1), undefined)
  })
})

describe('a file', () => {
  test('holds one passphrase, for new stores too, and is asked once', (context) => {
    const file = join(temporaryFolder(context), 'passphrase')
    for (const [content, passphrase] of [
      ['correct horse', 'correct horse'],
      ['correct horse\n', 'correct horse'],
      ['correct horse\r\n', 'correct horse'],
      [' two\nlines\n', ' two\nlines'],
    ] as const) {
      writeFileSync(file, content, { mode: 0o600 })
      const source = createPassphraseSource({ file, wait: () => undefined })
      assert.equal(text(source.ask('/a', 1)), passphrase)
      assert.equal(source.ask('/a', 2), undefined)
      assert.equal(text(source.forNew('/b')), passphrase)
    }
  })

  test('that is open to others, missing, empty or too long is refused', (context) => {
    const folder = temporaryFolder(context)
    const write = (name: string, content: string, mode: number): string => {
      const path = join(folder, name)
      writeFileSync(path, content, { mode })
      return path
    }
    const read = (path: string) => () => void readPassphraseFile(path)
    assert.throws(read(join(folder, 'none')), fileError('cannot be opened'))
    for (const mode of [0o644, 0o640, 0o604]) {
      const path = write(`mode-${mode}`, 'correct horse', mode)
      assert.throws(read(path), fileError('open to others'))
    }
    assert.throws(read(write('empty', '\n', 0o600)), fileError('empty'))
    const long = write('long', 'x'.repeat(1025), 0o600)
    assert.throws(read(long), fileError('longer than 1,024 bytes'))
  })
})

/** The examples of docs/policy.md are real. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { it } from 'node:test'
import { isRefusal } from '../../../../src/foundation/base/index.ts'
import { explanationToText, parseManifestJson } from '../../../../src/trust/policy/index.ts'
import { ask, CAMERA, engineWith, subject } from '../../../kit/policy.ts'

const PAGE = readFileSync(join(import.meta.dirname, '../../../../docs/policy.md'), 'utf8')

/** The code block that begins with a text. */
function block(beginning: string): string {
  const from = PAGE.indexOf(`\n${beginning}`, PAGE.indexOf('```')) + 1
  assert.ok(from > 0, `no block begins with ${beginning}`)
  return PAGE.slice(from, PAGE.indexOf('```', from))
}

it('the manifest of the page loads, and its explanation reads as printed', () => {
  const manifest = parseManifestJson(block('{'), { uriOf: () => undefined })
  if (isRefusal(manifest)) assert.fail(manifest.rule)
  const engine = engineWith([manifest])
  const explanation = engine.explain(
    ask({
      from: subject('agent/scribe'),
      to: CAMERA,
      arguments: { path: '/srv/data/secret/key' },
    }),
  )
  assert.equal(explanationToText(explanation), block('files.read ('))
})

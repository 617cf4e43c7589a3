/**
 * Writes `docs/config.schema.json` from the one schema of configurations: `npm run docs`. A test holds the
 * file equal to it.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { schemaText } from '../src/apps/cli/config/place.ts'

writeFileSync(join(import.meta.dirname, '../docs/config.schema.json'), schemaText())

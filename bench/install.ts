/** Installs what kOS is measured against: types and lint of the contenders need it, too. */
import { ensureModules } from '../tools/boot/modules.js'

await ensureModules(import.meta.dirname)

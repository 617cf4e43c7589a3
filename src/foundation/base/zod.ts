import { z } from 'zod'

z.config({ jitless: true })

/** Zod without generated code; rooms import it from here only. */
export { z }

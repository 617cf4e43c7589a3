import { refuse, type Refusal, z } from '../../foundation/base/index.ts'
import {
  CALC_NAMES,
  type CalcFault,
  evaluateExpression,
  MAX_EXPRESSION_LENGTH,
} from './calc-parser.ts'
import { type Command, defineCommand } from './command.ts'

/** `calc`: arithmetic on the device, without any evaluation of code. */
export const calcCommand: Command = defineCommand({
  name: 'calc',
  domain: 'rpc',
  summary: 'Evaluates an arithmetic expression',
  description:
    'Numbers (decimal, scientific, hexadecimal), + - * / % ^, signs, parentheses and the names ' +
    `${CALC_NAMES.join(', ')}. "^" groups from the right; log is to base 10. ` +
    'Division by zero and values that are not finite are failures. Nothing is executed as code.',
  argumentSchema: z.strictObject({
    expression: z.string().min(1).max(MAX_EXPRESSION_LENGTH),
  }),
  resultSchema: z.strictObject({ value: z.number() }),
  positional: ['expression'],
  permission: 'calc',
  effects: 'read',
  limits: { maxArgumentBytes: 4096, maxResultBytes: 64, timeoutMs: 1000, concurrency: 64 },
  examples: [
    { purpose: 'Add two numbers.', arguments: { expression: '2+2' }, result: { value: 4 } },
    {
      purpose: 'The length of a diagonal.',
      arguments: { expression: 'sqrt(3^2 + 4^2)' },
      result: { value: 5 },
    },
    {
      purpose: 'A hexadecimal mask in decimal.',
      arguments: { expression: '0xFF * 1e3' },
      result: { value: 255_000 },
    },
  ],
  run: (_context, { expression }) => {
    const value = evaluateExpression(expression)
    return typeof value === 'number' ? { value } : refuseExpression(value)
  },
})

function refuseExpression({ kind, position, problem }: CalcFault): Refusal {
  const code = kind === 'syntax' ? 'KOS_CATALOG_EXPRESSION' : 'KOS_CATALOG_ARITHMETIC'
  return refuse(code, `calc/${kind}`, {
    remedy: `Character ${position}: ${problem}`,
    details: { position },
  })
}

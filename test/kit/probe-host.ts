import { type ProbeHost, systemProbeHost } from '../../src/commands/sandbox/index.ts'

const answers = new Map<string, ReturnType<ProbeHost['run']>>()

/** This machine, asked once per test process: it is the same for every node of a fabric. */
export const rememberedHost: ProbeHost = {
  ...systemProbeHost,
  run: (program, args, identity) => {
    const key = JSON.stringify([program, args, identity])
    const answer = answers.get(key) ?? systemProbeHost.run(program, args, identity)
    answers.set(key, answer)
    return answer
  },
}

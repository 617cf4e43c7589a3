import { defineErrors, type ErrorTable } from '../../foundation/base/index.ts'

type NodeErrorCode =
  | 'KOS_NODE_AUTHORITY_RESTORED'
  | 'KOS_NODE_AUTHORITY_UNREACHABLE'
  | 'KOS_NODE_AUTHORITY_UNTRUSTED'
  | 'KOS_NODE_CLOCK'
  | 'KOS_NODE_COMMAND_FILE'
  | 'KOS_NODE_ENFORCEMENT'
  | 'KOS_NODE_FIRST_BOOT'
  | 'KOS_NODE_FLOOR'
  | 'KOS_NODE_IN_USE'
  | 'KOS_NODE_LISTEN'
  | 'KOS_NODE_MOVED'
  | 'KOS_NODE_NOT_JOINED'
  | 'KOS_NODE_PASSPHRASE'
  | 'KOS_NODE_PEER_UNREACHABLE'
  | 'KOS_NODE_REFUSED'
  | 'KOS_NODE_RESPONSE'
  | 'KOS_NODE_SELF_TEST'
  | 'KOS_NODE_NO_CERTIFICATE'
  | 'KOS_NODE_STANDBY'
  | 'KOS_NODE_STATE'
  | 'KOS_NODE_UNKNOWN_PRINCIPAL'

/** The errors of this room. */
export const nodeErrors: ErrorTable<NodeErrorCode> = defineErrors({
  KOS_NODE_AUTHORITY_RESTORED: {
    message: 'The authority was restored from a backup and does not serve yet.',
    hint: 'It waits for its members to bring what is newer than the backup; try again in a minute.',
    retry: 'later',
  },
  KOS_NODE_AUTHORITY_UNREACHABLE: {
    message: 'The authority cannot be reached.',
    hint: 'Check that "kosd authority" runs and that host and port are right.',
    retry: 'later',
  },
  KOS_NODE_AUTHORITY_UNTRUSTED: {
    message: 'The server is not the authority that the pin or the trust bundle names.',
    hint: 'Check the join line and the address; a machine in the middle shows up like this too.',
    retry: 'never',
  },
  KOS_NODE_CLOCK: {
    message: 'The clock of this machine is ahead of the authority’s.',
    hint: 'Set the clock, for example by NTP, then start again.',
    retry: 'never',
  },
  KOS_NODE_COMMAND_FILE: {
    message: 'A command file is not accepted; what was in force before stays.',
    hint: 'Correct what the rule names, and check the file: kosctl commands validate FILE',
    retry: 'never',
  },
  KOS_NODE_FIRST_BOOT: {
    message: 'What the image left for the first start cannot be used.',
    hint: 'Seal the image again: kosctl image seal --state FOLDER; the file has mode 0600.',
    retry: 'never',
  },
  KOS_NODE_FLOOR: {
    message: 'The membership has a weaker profile than this node had before.',
    hint: 'A profile never goes down: bring the newest state folder back, or join in an empty one.',
    retry: 'never',
  },
  KOS_NODE_ENFORCEMENT: {
    message: 'The file of enforcement modules is not accepted, so the daemon does not start.',
    hint: 'Correct what the rule names; docs/profiles.md lists the modules and their settings.',
    retry: 'never',
  },
  KOS_NODE_IN_USE: {
    message: 'Another kosd already uses this state folder.',
    hint: 'Stop it, or choose another folder with --state.',
    retry: 'later',
  },
  KOS_NODE_LISTEN: {
    message: 'The node cannot listen on its address.',
    hint: 'Choose a free port and an address of this machine with --listen.',
    retry: 'never',
  },
  KOS_NODE_MOVED: {
    message:
      'The keys of this state folder were made on another machine: a copy of them is not used.',
    hint: 'Join in an empty folder; images: kosctl image seal. If this machine took over the disk for good: kosd node --moved.',
    retry: 'never',
  },
  KOS_NODE_NOT_JOINED: {
    message: 'This node has not joined an authority yet.',
    hint: 'Start it with a join line: kosctl token create --name NAME | kosd node --join -',
    retry: 'never',
  },
  KOS_NODE_PASSPHRASE: {
    message: 'The keys of this folder are sealed by a passphrase, and none was given.',
    hint: 'Run the command on a terminal, or name a file of mode 0600: KOS_PASSPHRASE_FILE or --passphrase-file.',
    retry: 'never',
  },
  KOS_NODE_PEER_UNREACHABLE: {
    message: 'The peer cannot be reached or did not prove who it is.',
    hint: 'Check that its kosd runs and its address in the directory: kosctl devices show NAME.',
    retry: 'later',
  },
  KOS_NODE_REFUSED: {
    message: 'The authority refused the request.',
    hint: 'Read the rule it names.',
    retry: 'never',
  },
  KOS_NODE_RESPONSE: {
    message: 'The authority answered with something that is not understood.',
    hint: 'Use a kosd of a version that fits the authority.',
    retry: 'never',
  },
  KOS_NODE_SELF_TEST: {
    message: 'The node failed its start-up self-test and does not serve.',
    hint: 'Read the named check; correct it and start again.',
    retry: 'never',
  },
  KOS_NODE_NO_CERTIFICATE: {
    message: 'This device has a pre-shared key and no certificate.',
    hint: 'Ask as an operator, or join the device under SEC-2 in an empty folder.',
    retry: 'never',
  },
  KOS_NODE_STANDBY: {
    message: 'The standby signer does not vouch for the lock list.',
    hint: 'See "kosctl standby list"; it has to be permitted and to have heard of the authority.',
    retry: 'later',
  },
  KOS_NODE_STATE: {
    message: 'The state folder of this node is damaged.',
    hint: 'Keep it as evidence, and join again in an empty folder.',
    retry: 'never',
  },
  KOS_NODE_UNKNOWN_PRINCIPAL: {
    message: 'The directory has nobody of this name.',
    hint: 'Name a principal of the directory, kind/id, or role/id for a user with that role alone.',
    retry: 'never',
  },
})

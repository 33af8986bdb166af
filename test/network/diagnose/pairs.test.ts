// Two faults at once: which to mend first.

import { test } from '@jest/globals';
import * as faults from './faults.ts';
import { expectFirst, useWorld } from './one-fault.ts';

const PATIENCE_MILLISECONDS = 240_000;

const world = useWorld();

const { NAME_NOT_KNOWN, PACKETS_DROPPED, PORT_CLOSED, TWO_AGENTS, STAGING_FULL, CERTIFICATE_UNTRUSTED } = faults;
const { REPLICATION_SERVER_DOWN, AGENT_CLOCK_AHEAD } = faults;

test.each([
  { first: NAME_NOT_KNOWN, then: PACKETS_DROPPED, made: [NAME_NOT_KNOWN, PACKETS_DROPPED] as const },
  { first: REPLICATION_SERVER_DOWN, then: PORT_CLOSED, made: [PORT_CLOSED, REPLICATION_SERVER_DOWN] as const },
  { first: AGENT_CLOCK_AHEAD, then: PORT_CLOSED, made: [PORT_CLOSED, AGENT_CLOCK_AHEAD] as const },
  { first: TWO_AGENTS, then: PACKETS_DROPPED, made: [PACKETS_DROPPED, TWO_AGENTS] as const },
  { first: CERTIFICATE_UNTRUSTED, then: STAGING_FULL, made: [STAGING_FULL, CERTIFICATE_UNTRUSTED] as const },
])(
  'of $first.cause and $then.cause at once the first is to be mended first',
  ({ first, made }) => expectFirst(world(), made, first),
  // Five diagnoses one after another: on a busy machine they may take longer than what jest allows one test.
  PATIENCE_MILLISECONDS,
);

// A machine that replicates well, and what each fault makes of what is known of it.

import type { AgentFailure, DiagnosisFacts, ServerRefusal } from './facts.ts';

export const NOW = new Date('2026-11-28T12:00:00Z');

export function ago(seconds: number): Date {
  return new Date(NOW.getTime() - seconds * 1_000);
}

const AGENT: DiagnosisFacts['agent'] = {
  heardAt: ago(2),
  reportedAt: ago(2),
  hostName: 'source',
  sourceAddress: '198.18.1.2',
  clockAheadSeconds: 0,
  certificateExpiresAt: ago(-50_000),
  state: 'CONTINUOUS',
  stallCause: null,
  detail: null,
  connected: true,
  failure: null,
  managerFailure: null,
  lastWarning: null,
};

const SERVER: NonNullable<DiagnosisFacts['server']> = {
  name: 'host',
  running: true,
  failure: null,
  heardAt: ago(1),
  clockAheadSeconds: 0,
  interfaceAddresses: ['198.18.2.2'],
  formerAddresses: [],
  connected: true,
  refusals: [],
  stallCause: null,
  stallDetail: null,
  freeBytes: 1_000_000_000,
};

export const HEALTHY: DiagnosisFacts = {
  now: NOW,
  machine: { id: 'm-0123456789abcdef0123', name: 'source' },
  removedAt: null,
  paused: false,
  agent: AGENT,
  refusedCall: null,
  instances: [{ instanceId: 'a', hostName: 'source', sourceAddress: '198.18.1.2', lastAt: ago(2), returnedAt: null }],
  server: SERVER,
  endpoints: [{ host: 'staging.test', port: 1500, resolved: ['198.18.2.2'] }],
  rates: {
    seconds: 60,
    backlogBefore: 1_000_000,
    backlogNow: 500_000,
    writtenBytesPerSecond: 100_000,
    sentBytesPerSecond: 110_000,
    wireBitsPerSecond: 900_000,
  },
  bandwidthLimitBitsPerSecond: null,
  failedStep: null,
  check: null,
  unknown: [],
};

export function withAgent(facts: DiagnosisFacts, agent: Partial<DiagnosisFacts['agent']>): DiagnosisFacts {
  return { ...facts, agent: { ...facts.agent, ...agent } };
}

export function withServer(facts: DiagnosisFacts, server: Partial<typeof SERVER>): DiagnosisFacts {
  return { ...facts, server: { ...(facts.server ?? SERVER), ...server } };
}

/** The agent is heard, and says that it cannot connect. */
export function failing(
  facts: DiagnosisFacts,
  reason: string,
  { resolved = ['198.18.2.2'], address = 'staging.test:1500' }: Partial<AgentFailure> = {},
): DiagnosisFacts {
  const failure = { reason, message: `because of ${reason}`, address, resolved, at: ago(3), since: ago(30), count: 4 };
  return withServer(withAgent(facts, { connected: false, state: 'DISCONNECTED', failure }), { connected: false });
}

export function silent(facts: DiagnosisFacts): DiagnosisFacts {
  return withServer(withAgent(facts, { heardAt: ago(90), reportedAt: ago(90) }), { connected: false });
}

export function refusing(facts: DiagnosisFacts, refusal: Partial<ServerRefusal>): DiagnosisFacts {
  const whole = { reason: 'OTHER', message: 'refused', address: null, at: ago(5), count: 2, proven: true, ...refusal };
  return withServer(facts, { refusals: [...(facts.server?.refusals ?? []), whole] });
}

type Fault = (facts: DiagnosisFacts) => DiagnosisFacts;

/** By the code that the fault must be found as. */
export const FAULTS: Readonly<Record<string, Fault>> = {
  MACHINE_REMOVED: (facts) => ({ ...facts, removedAt: ago(60) }),
  TWO_AGENTS_ONE_IDENTITY: (facts) => ({
    ...facts,
    instances: [
      { instanceId: 'b', hostName: 'copy', sourceAddress: '198.18.1.3', lastAt: ago(4), returnedAt: ago(4) },
      { instanceId: 'a', hostName: 'source', sourceAddress: '198.18.1.2', lastAt: ago(1), returnedAt: ago(1) },
    ],
  }),
  AGENT_CLOCK_WRONG: (facts) => ({
    ...silent(facts),
    refusedCall: {
      reason: 'CLOCK',
      message: 'from the future',
      at: ago(5),
      clockAheadSeconds: 86_400,
      sourceAddress: null,
    },
  }),
  AGENT_CERTIFICATE_EXPIRED: (facts) => refusing(silent(facts), { reason: 'CERTIFICATE_EXPIRED', proven: false }),
  REPLICATION_SERVER_DOWN: (facts) =>
    withServer(failing(facts, facts.agent.failure?.reason ?? 'TCP_REFUSED'), { running: false, heardAt: ago(40) }),
  AGENT_CUT_OFF_FROM_MANAGER: (facts) => withAgent(facts, { heardAt: ago(90), reportedAt: ago(90) }),
  AGENT_SILENT: silent,
  PAUSED: (facts) => ({
    ...withServer(withAgent(facts, { connected: false, state: 'PAUSED' }), { connected: false }),
    paused: true,
  }),
  NO_REPLICATION_SERVER: (facts) => ({
    ...withAgent(facts, { connected: false, state: 'INITIATING' }),
    server: null,
    endpoints: [],
    failedStep: { step: 'LAUNCH_REPLICATION_SERVER', error: 'no room', at: ago(9) },
  }),
  ADDRESS_CHANGED: (facts) => {
    const moved = failing(facts, 'NO_ROUTE', { address: '198.18.2.9:1500', resolved: [] });
    return withServer(moved, { formerAddresses: [{ address: '198.18.2.9', until: ago(600) }] });
  },
  PRIVATE_ADDRESS_FROM_OUTSIDE: (facts) => failing(facts, 'TCP_TIMEOUT', { address: '10.77.0.2:1500', resolved: [] }),
  DNS_WRONG: (facts) => failing(facts, 'DNS_NOT_FOUND', { resolved: [] }),
  PROXY_NEEDS_AUTHENTICATION: (facts) => failing(facts, 'PROXY_AUTHENTICATION_REQUIRED'),
  PROXY_REFUSES: (facts) => failing(facts, 'PROXY_FORBIDDEN'),
  NO_ROUTE: (facts) => failing(facts, 'NO_ROUTE'),
  PORT_CLOSED: (facts) => failing(facts, 'TCP_REFUSED'),
  PACKETS_DROPPED: (facts) => failing(facts, 'TCP_TIMEOUT'),
  CONNECTION_RESET: (facts) => failing(facts, 'TCP_RESET'),
  PATH_MTU: (facts) =>
    refusing(failing(facts, 'TLS_STALLED'), { reason: 'TLS_STALLED', address: '198.18.1.2:4711', proven: false }),
  HANDSHAKE_STALLED: (facts) => failing(facts, 'TLS_STALLED'),
  CERTIFICATE_UNTRUSTED: (facts) => failing(facts, 'TLS_UNTRUSTED'),
  NOT_A_REPLICATION_SERVER: (facts) => failing(facts, 'NOT_A_BLOCK_STREAM'),
  REPLICATION_SERVER_CLOCK_WRONG: (facts) => withServer(facts, { clockAheadSeconds: -7_200 }),
  REPLICATION_SERVER_CERTIFICATE_EXPIRED: (facts) => failing(facts, 'TLS_EXPIRED'),
  AGENT_NOT_ACCEPTED: (facts) => failing(facts, 'CERTIFICATE_NOT_ACCEPTED'),
  STAGING_FULL: (facts) => withServer(failing(facts, 'STAGING_FULL'), { stallCause: 'STAGING_FULL' }),
  UNSUPPORTED_CONFIGURATION: (facts) =>
    withAgent(failing(facts, 'STAGING_ON_SOURCE'), { stallCause: 'UNSUPPORTED_CONFIGURATION', state: 'STALLED' }),
  BANDWIDTH_TOO_LOW: (facts) => ({
    ...facts,
    rates: {
      seconds: 60,
      backlogBefore: 0,
      backlogNow: 60_000_000,
      writtenBytesPerSecond: 1_250_000,
      sentBytesPerSecond: 250_000,
      wireBitsPerSecond: 2_000_000,
    },
  }),
  REPLICATION_SERVER_CUT_OFF_FROM_MANAGER: (facts) => withServer(facts, { heardAt: ago(60) }),
  OTHER: (facts) => withAgent(facts, { stallCause: 'SNAPSHOTS_FAILURE', detail: 'no window', state: 'STALLED' }),
};

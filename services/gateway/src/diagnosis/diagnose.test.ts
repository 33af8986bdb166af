import { expect, test } from '@jest/globals';
import { Diagnosis } from '@lms/api';
import { CAUSES } from './causes.ts';
import { diagnose } from './diagnose.ts';
import { FAULTS, HEALTHY, ago, failing, refusing, silent, withAgent, withServer } from './facts.fixture.ts';

const CODES = CAUSES.map(({ code }) => code);

test('a machine that replicates has no problem', () => {
  const found = diagnose(HEALTHY);
  expect(found).toMatchObject({ healthy: true, cause: null, sentence: 'no problem found', action: null });
  expect(found.otherCauses).toEqual([]);
  expect(found.evidence.length).toBeGreaterThan(5);
});

test('each cause has a fault here, and no other', () => {
  expect(Object.keys(FAULTS).toSorted()).toEqual([...CODES].toSorted());
});

test.each(CODES)('%s is found, and nothing else is named before it', (code) => {
  const found = diagnose(FAULTS[code]?.(HEALTHY) ?? HEALTHY);
  expect(found).toMatchObject({ healthy: false, cause: code });
  expect(found.otherCauses).toEqual([]);
  expect(found.sentence).toMatch(/^[A-Z0-9].+; .+\.$/);
  expect(found.sentence).toContain(found.action?.slice(1, -1) ?? '?');
  expect(() => Diagnosis.parse(found)).not.toThrow();
});

test.each([
  ['REPLICATION_SERVER_DOWN', 'PACKETS_DROPPED', 'REPLICATION_SERVER_DOWN'],
  ['MACHINE_REMOVED', 'AGENT_CLOCK_WRONG', 'MACHINE_REMOVED'],
  ['BANDWIDTH_TOO_LOW', 'TWO_AGENTS_ONE_IDENTITY', 'TWO_AGENTS_ONE_IDENTITY'],
  ['AGENT_CERTIFICATE_EXPIRED', 'AGENT_CLOCK_WRONG', 'AGENT_CLOCK_WRONG'],
  ['STAGING_FULL', 'REPLICATION_SERVER_CLOCK_WRONG', 'REPLICATION_SERVER_CLOCK_WRONG'],
])('of %s and %s at once, %s is to be mended first', (one, other, first) => {
  const both = FAULTS[one]?.(FAULTS[other]?.(HEALTHY) ?? HEALTHY) ?? HEALTHY;
  expect(diagnose(both).cause).toBe(first);
});

test('of a machine that was removed nothing else is told, since nothing else is known', () => {
  const facts = { ...silent(HEALTHY), removedAt: ago(60), server: null, endpoints: [] };
  expect(diagnose(facts)).toMatchObject({ cause: 'MACHINE_REMOVED', otherCauses: [] });
});

test('what an agent said before it fell silent says nothing about now', () => {
  const before = silent(failing(HEALTHY, 'TCP_REFUSED'));
  expect(diagnose(before).cause).toBe('AGENT_SILENT');
});

test('a failure that a session has followed is history', () => {
  expect(diagnose(withAgent(failing(HEALTHY, 'TCP_REFUSED'), { connected: true })).healthy).toBe(true);
});

test('an agent that calls the certificate of a server not yet valid has the wrong clock when it is silent …', () => {
  const word = { reason: 'TLS_NOT_YET_VALID', message: 'here it is yesterday' };
  const found = diagnose(refusing(silent(HEALTHY), word));
  expect(found).toMatchObject({ cause: 'AGENT_CLOCK_WRONG', sentence: expect.stringContaining('behind') });
  expect(diagnose(refusing(silent(HEALTHY), { ...word, proven: false })).cause).toBe('AGENT_SILENT');
  expect(diagnose(refusing(silent(HEALTHY), { ...word, at: ago(300) })).cause).toBe('AGENT_SILENT');
});

test('… and the server has, when its own clock is known to be wrong', () => {
  const server = withServer(silent(HEALTHY), { clockAheadSeconds: 86_400 });
  const found = diagnose(refusing(server, { reason: 'TLS_NOT_YET_VALID' }));
  expect(found.cause).toBe('AGENT_SILENT');
  expect(found.otherCauses.map(({ cause }) => cause)).toEqual(['REPLICATION_SERVER_CLOCK_WRONG']);
});

test('a server that ended a while ago, and reports again, is not down', () => {
  const refused = failing(HEALTHY, 'TCP_REFUSED');
  const again = withServer(refused, { failure: 'ended by SIGKILL', heardAt: ago(2) });
  expect(diagnose(again).cause).toBe('PORT_CLOSED');
  expect(diagnose(withServer(again, { heardAt: ago(9) })).cause).toBe('REPLICATION_SERVER_DOWN');
});

test('an agent that was started anew is not two', () => {
  const [instance] = HEALTHY.instances;
  if (instance === undefined) throw new Error('the fixture has an instance');
  const restarted = { ...instance, instanceId: 'b', lastAt: ago(1) };
  expect(diagnose({ ...HEALTHY, instances: [instance, restarted] }).healthy).toBe(true);
});

test('a private address is none to complain of for a machine that comes from a private one', () => {
  const inside = failing(HEALTHY, 'TCP_TIMEOUT', { address: '10.77.0.2:1500', resolved: [] });
  expect(diagnose(withAgent(inside, { sourceAddress: '10.77.0.9' })).cause).toBe('PACKETS_DROPPED');
});

test('a name that stands for another address at the agent is wrong DNS, also when it is a former address', () => {
  const elsewhere = failing(HEALTHY, 'TCP_REFUSED', { resolved: ['198.18.9.9'] });
  expect(diagnose(elsewhere)).toMatchObject({ cause: 'DNS_WRONG' });
  const former = withServer(elsewhere, { formerAddresses: [{ address: '198.18.9.9', until: ago(60) }] });
  expect(diagnose(former)).toMatchObject({ cause: 'DNS_WRONG' });
  // Both think so: then it is the address that has moved, and not the agent's DNS.
  const endpoints = [{ host: 'staging.test', port: 1500, resolved: ['198.18.9.9'] }];
  expect(diagnose({ ...former, endpoints }).cause).toBe('ADDRESS_CHANGED');
});

test('a stalled handshake is a narrow path only when the server saw it from there, or the check says so', () => {
  const stalled = failing(HEALTHY, 'TLS_STALLED');
  const somebody = { reason: 'TLS_STALLED', address: '203.0.113.7:5', proven: false };
  expect(diagnose(refusing(stalled, somebody)).cause).toBe('HANDSHAKE_STALLED');
  const earlier = { ...somebody, address: '198.18.1.2:5', at: ago(40) };
  expect(diagnose(refusing(stalled, earlier)).cause).toBe('HANDSHAKE_STALLED');
  const check = { at: ago(1), reason: 'PATH_MTU', message: 'big packets vanish' };
  expect(diagnose({ ...stalled, check }).cause).toBe('PATH_MTU');
});

test('a burst of writes is no lack of bandwidth, and a limit that is reached is named', () => {
  const low = FAULTS.BANDWIDTH_TOO_LOW?.(HEALTHY) ?? HEALTHY;
  expect(low.rates).not.toBeNull();
  if (low.rates === null) return;
  expect(diagnose({ ...low, rates: { ...low.rates, seconds: 6 } }).healthy).toBe(true);
  expect(diagnose({ ...low, rates: { ...low.rates, backlogNow: 1_000_000 } }).healthy).toBe(true);
  expect(diagnose({ ...low, bandwidthLimitBitsPerSecond: 2_100_000 }).action).toContain('Raise the bandwidth limit');
  expect(diagnose(low).action).toContain('more bandwidth');
});

test('evidence says what was not to be known', () => {
  const facts = { ...HEALTHY, unknown: [{ side: 'statistics', reason: 'UNAVAILABLE' }] };
  expect(diagnose(facts).evidence).toContainEqual({
    what: 'statistics',
    found: 'not known: UNAVAILABLE',
    at: null,
    from: 'manager',
  });
});

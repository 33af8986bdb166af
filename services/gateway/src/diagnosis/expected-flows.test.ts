import { expect, test } from '@jest/globals';
import { expectedFlows } from './expected-flows.ts';
import { HEALTHY, ago, withAgent, withServer } from './facts.fixture.ts';
import type { DiagnosisFacts } from './facts.ts';

const found = (facts: DiagnosisFacts): readonly string[] => expectedFlows(facts).map((flow) => flow.found);

function failing(reason: string): DiagnosisFacts {
  const failure = {
    reason,
    message: 'no',
    address: '198.18.2.2:1500',
    at: ago(1),
    count: 3,
    since: ago(9),
    resolved: [],
  };
  return withServer(withAgent(HEALTHY, { connected: false, failure }), { connected: false });
}

test('of a machine that replicates every flow is let through, and each is named by who connects, to whom and where', () => {
  expect(expectedFlows(HEALTHY).map(({ rule }) => rule)).toEqual([
    'agent to replication server, TCP at staging.test:1500',
    'agent to manager, TCP 443',
    'replication server to manager, TCP 443',
  ]);
  expect(found(HEALTHY)).toEqual(['let through: a session stands', 'let through', 'let through']);
});

test.each([
  ['TCP_TIMEOUT', 'dropped'],
  ['TCP_REFUSED', 'refused'],
  ['TCP_RESET', 'reset'],
  ['NO_ROUTE', 'no route'],
  ['DNS_NOT_FOUND', 'not tried'],
  ['PROXY_FORBIDDEN', 'by a proxy'],
  ['TLS_UNTRUSTED', 'let through: TCP stands'],
])('a failure by %s says of the rule for 1500: %s', (reason, words) => {
  expect(found(failing(reason))[0]).toContain(words);
});

test('who is not heard is not said to be let through', () => {
  expect(found(withAgent(HEALTHY, { heardAt: ago(600) }))[1]).toBe('nothing comes');
  expect(found(withServer(HEALTHY, { heardAt: ago(600) }))[2]).toBe('nothing comes');
});

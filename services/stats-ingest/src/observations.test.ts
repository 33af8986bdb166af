import { expect, test } from '@jest/globals';
import type { AgentInstance, AgentSituation } from '@lms/proto';
import { withInstance } from './observations.ts';

function situation(instanceId: string): AgentSituation {
  return {
    instanceId,
    hostName: `host-${instanceId}`,
    certificateExpiresAt: undefined,
    connected: true,
    failure: undefined,
    managerFailure: '',
    managerFailureAt: undefined,
  };
}

function seen(order: string): readonly AgentInstance[] {
  return order
    .split('')
    .reduce<readonly AgentInstance[]>(
      (instances, id, index) => withInstance(instances, situation(id), '198.18.1.2', new Date(index * 1_000)),
      [],
    );
}

test('an agent that is started anew is another instance, and nobody came back', () => {
  const instances = seen('AAABB');
  expect(instances.map(({ instanceId }) => instanceId)).toEqual(['A', 'B']);
  expect(instances.map(({ returnedAt }) => returnedAt)).toEqual([undefined, undefined]);
  expect(instances[0]).toMatchObject({ firstAt: new Date(0), lastAt: new Date(2_000) });
});

test('one that reports again after another is a second agent, whichever is asked', () => {
  const instances = seen('AABAB');
  expect(instances.find(({ instanceId }) => instanceId === 'A')?.returnedAt).toEqual(new Date(3_000));
  expect(instances.find(({ instanceId }) => instanceId === 'B')?.returnedAt).toEqual(new Date(4_000));
  // When the second is stopped, the first goes on: the instant of its return stays what it was.
  expect(seen('ABABBBB').at(-1)?.returnedAt).toEqual(new Date(3_000));
});

test('only the last are remembered', () => {
  expect(seen('ABCDEFGHIJ').map(({ instanceId }) => instanceId)).toEqual('CDEFGHIJ'.split(''));
});

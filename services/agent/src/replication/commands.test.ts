import { expect, test } from '@jest/globals';
import { CommandsAnswer } from '@lms/api';
import type { AgentCommand, CheckReport } from '@lms/api';
import type { PointOutcome, PointRequest } from '../core/index.ts';
import { executeCommand } from './commands.ts';

const now = Date.parse('2026-11-23T12:00:00Z');

function target(outcome: PointOutcome) {
  const calls: string[] = [];
  const requests: PointRequest[] = [];
  return {
    calls,
    requests,
    replicator: {
      createPoint: (request: PointRequest) => {
        requests.push(request);
        return Promise.resolve(outcome);
      },
      rescan: () => {
        calls.push('rescan');
      },
    },
    setPaused: (paused: boolean) => {
      calls.push(paused ? 'pause' : 'resume');
    },
    nowMilliseconds: () => now,
    check: () => Promise.reject(new Error('nobody asked for a check')),
  };
}

const made: PointOutcome = { state: 'succeeded', sequence: 9, consistency: 'filesystem' };
const command: AgentCommand = { id: 'aaaa-1', kind: 'createPoint', deadline: '2026-11-23T12:05:00Z' };

test('a point is asked for under the id of its command, with the time that is left', async () => {
  const world = target(made);
  const result = await executeCommand({ ...command, consistency: 'filesystem', traceparent: '00-a-b-01' }, world);
  expect(result).toEqual({ state: 'succeeded', sequence: 9 });
  expect(world.requests).toEqual([
    { requestId: 'aaaa-1', consistency: 'filesystem', timeoutMilliseconds: 300_000, traceparent: '00-a-b-01' },
  ]);
});

test('clocks that differ neither fail a point at once nor let it wait for ever', async () => {
  const world = target(made);
  await executeCommand({ ...command, deadline: '2026-11-23T11:00:00Z' }, world);
  await executeCommand({ ...command, deadline: '2030-01-01T00:00:00Z' }, world);
  await executeCommand({ ...command, deadline: '2026-11-23T11:00:00Z', remainingSeconds: 60 }, world);
  const timeouts = world.requests.map((request) => request.timeoutMilliseconds);
  expect(timeouts).toEqual([1_000, 86_400_000, 60_000]);
});

test('the time that the manager says is left holds, whatever the clock here says', async () => {
  const world = target(made);
  await executeCommand({ ...command, deadline: '2026-11-23T11:00:00Z', remainingSeconds: 90 }, world);
  expect(world.requests[0]?.timeoutMilliseconds).toBe(90_000);
});

test('what keeps a point from being made is told with its code', async () => {
  const failed: PointOutcome = { state: 'failed', code: 'DEADLINE_EXCEEDED', message: '/dev/vdb is busy' };
  expect(await executeCommand(command, target(failed))).toEqual({
    state: 'failed',
    code: 'DEADLINE_EXCEEDED',
    message: '/dev/vdb is busy',
  });
});

test('pause, resume and rescan reach the core', async () => {
  const world = target(made);
  for (const kind of ['pause', 'resume', 'rescan'] as const) await executeCommand({ ...command, kind }, world);
  expect(world.calls).toEqual(['pause', 'resume', 'rescan']);
});

test('a command of which only a newer manager knows is refused, and its manager told so', async () => {
  const { commands } = CommandsAnswer.parse({ commands: [{ ...command, id: 'aaaa-aaaa', kind: 'defragment' }] });
  const world = target(made);
  for (const one of commands) {
    expect(await executeCommand(one, world)).toMatchObject({ state: 'failed', code: 'UNSUPPORTED' });
  }
  expect([commands.length, world.calls]).toEqual([1, []]);
});

test('a check that was carried out has succeeded with its report, whatever that found; one that could not be has failed', async () => {
  const asked = { id: 'aaaa-1', kind: 'check', target: '1500', remainingSeconds: 60 } as const;
  const failed = await executeCommand(asked, target(made));
  expect(failed).toMatchObject({ state: 'failed', message: 'nobody asked for a check' });
  const report = { result: 'failed' } as CheckReport;
  const found = await executeCommand(asked, { ...target(made), check: () => Promise.resolve(report) });
  expect(found).toEqual({ state: 'succeeded', report });
});

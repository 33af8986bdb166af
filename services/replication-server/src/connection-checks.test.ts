import { expect, test } from '@jest/globals';
import { LmsError } from '@lms/errors';
import type { Frame, FrameConnection } from '@lms/block-stream';
import { createMemoryConnection } from '../test/memory-connection.ts';
import { ConnectionChecks } from './connection-checks.ts';
import type { Clock } from './core/ports.ts';

/** Time that stands still: what waits for it waits until it is told to stop. */
const clock = {
  wallMicroseconds: () => 1_234_567,
  sleep: (_milliseconds: number, signal?: AbortSignal) =>
    new Promise<void>((resolve) => {
      signal?.addEventListener('abort', () => resolve(), { once: true });
    }),
} as unknown as Clock;

const check = (sent: number, wanted: number): Frame => ({
  type: 'check',
  answerPaddingBytes: wanted,
  padding: new Uint8Array(sent),
});

function serve(isConnected: (machineId: string) => boolean): { agent: FrameConnection; served: Promise<void> } {
  const { agent, server } = createMemoryConnection();
  return { agent, served: new ConnectionChecks({ clock, isConnected }).serve('m-1', server) };
}

test('a check is answered as long as was asked, with the time and whether a session is there', async () => {
  const { agent, served } = serve(() => true);
  await agent.send(check(10, 3));
  const answer = { type: 'checkAnswer', instantMicroseconds: 1_234_567, sessionConnected: true };
  expect(await agent.receive()).toEqual({ ...answer, padding: new Uint8Array(3) });
  agent.close();
  await served;
});

test('a machine that the server is not in charge of is told so', async () => {
  const { agent, served } = serve(() => {
    throw new LmsError('PERMISSION_DENIED', 'not assigned');
  });
  await agent.send(check(0, 0));
  expect(await agent.receive()).toMatchObject({ type: 'error', code: 'PERMISSION_DENIED' });
  await served;
});

test('a hello on a connection of checks is a violation: no check becomes a session (R11)', async () => {
  const { agent, served } = serve(() => false);
  await agent.send({ type: 'mark', markId: 1 });
  expect(await agent.receive()).toMatchObject({ type: 'error', code: 'PROTOCOL_VIOLATION' });
  await served;
});

test('what passes in a check is bounded', async () => {
  const { agent, served } = serve(() => false);
  for (let count = 0; count < 65; count += 1) await agent.send(check(1_048_576, 0));
  const answers: string[] = [];
  for (let frame = await agent.receive(); frame !== null; frame = await agent.receive()) answers.push(frame.type);
  expect(answers).toHaveLength(65);
  expect(answers.at(-1)).toBe('error');
  await served;
});

test('more checks at once than a server has time for are turned away, and the others are served', async () => {
  const checks = new ConnectionChecks({ clock, isConnected: () => false });
  const connections = Array.from({ length: 9 }, createMemoryConnection);
  const served = connections.map(({ server }) => checks.serve('m-1', server));
  expect(await connections[8]?.agent.receive()).toMatchObject({ type: 'error', code: 'RESOURCE_EXHAUSTED' });
  await connections[0]?.agent.send(check(0, 0));
  expect(await connections[0]?.agent.receive()).toMatchObject({ type: 'checkAnswer' });
  for (const { agent } of connections) agent.close();
  await Promise.all(served);
});

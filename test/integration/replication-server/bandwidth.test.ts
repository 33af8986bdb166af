/**
 * A limit of the bandwidth, measured at sockets between an agent's connection and the process of a replication server.
 *
 * That each window of 10 s is within 5 % is shown on a virtual clock beside the limiter. What is left to show here is that the
 * limiter has hold of the bytes on the wire. So runs are short, and the bound is the one of a window: in any time, the limit and
 * half a second of it (5 % of 10 s) at most; a machine that is busy makes it less, and never more.
 */
import { randomBytes } from 'node:crypto';
import { expect, test } from '@jest/globals';
import { UNLIMITED, type AssignedMachine } from '@lms/api';
import { BandwidthLimiter } from '@lms/bandwidth';
import { systemClock } from '../../../services/replication-server/src/system-clock.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';
import { until } from '../harness/until.ts';
import { CountingRelay } from './counting-relay.ts';
import { ManagerDouble } from './manager-double.ts';
import { DISK_BLOCKS, DISK_BYTES, ServerProcess, connectAgent } from './server-process.ts';
import type { TestAgent } from './server-process.ts';

const FIRST = 'm-0123456789abcdef0123';
const SECOND = 'm-0123456789abcdef0124';
const MACHINES = [FIRST, SECOND].map((machineId): AssignedMachine => ({
  machineId,
  name: machineId,
  settings: { retention: [{ everySeconds: 1, keepSeconds: 3_600 }], floorBytes: 16 * 1024 * 1024 },
}));
const MBIT_PER_SECOND = 1_000_000;
const CHUNK_BLOCKS = 16;
/** 5 % of a window of 10 s. */
const SLACK_SECONDS = 0.5;

/** Until `chunks` of 1 MiB are durable over there. */
async function sendChunks(agent: TestAgent, image: Buffer, chunks: number, markId: number): Promise<void> {
  for (let chunk = 0; chunk < chunks; chunk += 1) await agent.write(image, (chunk % 2) * CHUNK_BLOCKS, CHUNK_BLOCKS);
  await agent.mark(markId);
}

/** What passes while `work` is done, as a share of what the limit allows. */
async function shareOfLimit(
  relays: readonly CountingRelay[],
  limitBitsPerSecond: number,
  work: () => Promise<unknown>,
): Promise<number> {
  const bytes = (): number => relays.reduce((sum, relay) => sum + relay.bytes, 0);
  const before = { bytes: bytes(), at: performance.now() };
  await work();
  const seconds = (performance.now() - before.at) / 1000;
  const passed = bytes() - before.bytes;
  const most = (limitBitsPerSecond / 8) * (seconds + SLACK_SECONDS);
  expect(passed).toBeLessThanOrEqual(most);
  return passed / ((limitBitsPerSecond / 8) * seconds);
}

test('what an agent sends keeps to its limit on the wire, and to another one without connecting anew', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  manager.assign(MACHINES);
  await using server = await ServerProcess.start(manager, folder.path);
  await using relay = await CountingRelay.start(await server.port());
  const limiter = new BandwidthLimiter(systemClock);
  limiter.update({ ...UNLIMITED, limitBitsPerSecond: 8 * MBIT_PER_SECOND });
  const image = randomBytes(DISK_BYTES);
  using agent = await until('the machine is assigned', () =>
    connectAgent(manager, FIRST, relay.port, {}, limiter.share()),
  );
  const { connections } = relay;
  const slow = await shareOfLimit([relay], 8 * MBIT_PER_SECOND, () => sendChunks(agent, image, 2, 1));
  expect(slow).toBeGreaterThan(0.5);
  limiter.update({ ...UNLIMITED, limitBitsPerSecond: 24 * MBIT_PER_SECOND });
  const fast = await shareOfLimit([relay], 24 * MBIT_PER_SECOND, () => sendChunks(agent, image, 5, 2));
  // Without the change this would be a third at most.
  expect(fast).toBeGreaterThan(0.5);
  await agent.zero(2 * CHUNK_BLOCKS, DISK_BLOCKS - 2 * CHUNK_BLOCKS);
  expect(await agent.checkpoint('c-1', 3)).toBe(1);
  expect(relay.connections).toBe(connections);
});

test('what a replication server receives keeps to its limit, shared by machines, and sessions live on', async () => {
  await using folder = await TemporaryFolder.create();
  await using manager = await ManagerDouble.create();
  manager.assign(MACHINES);
  await using server = await ServerProcess.start(manager, folder.path);
  const port = await server.port();
  await using firstRelay = await CountingRelay.start(port);
  await using secondRelay = await CountingRelay.start(port);
  const relays = [firstRelay, secondRelay];
  const image = randomBytes(DISK_BYTES);
  using first = await until('the first is assigned', () => connectAgent(manager, FIRST, firstRelay.port));
  using second = await until('the second is assigned', () => connectAgent(manager, SECOND, secondRelay.port));
  const connections = relays.map((relay) => relay.connections);
  const sendBoth = (chunks: number, markId: number): Promise<unknown> =>
    Promise.all([sendChunks(first, image, chunks, markId), sendChunks(second, image, chunks, markId)]);
  await sendBoth(1, 1);
  manager.set({ proxy: null, bandwidth: { ...UNLIMITED, limitBitsPerSecond: 16 * MBIT_PER_SECOND } });
  await until('the server has heard of its limit', () => server.find('another bandwidth limit holds'));
  // What lies in buffers of kernels and of the relay has passed it and not the server; marks tell when all has.
  const before = relays.map((relay) => relay.bytes);
  let shares: readonly number[] = [];
  const whole = await shareOfLimit(relays, 16 * MBIT_PER_SECOND, async () => {
    const sending = [sendChunks(first, image, 3, 2), sendChunks(second, image, 3, 2)];
    await Promise.race(sending);
    shares = relays.map((relay, index) => relay.bytes - (before[index] ?? 0));
    await Promise.all(sending);
  });
  expect(whole).toBeGreaterThan(0.5);
  // When one has sent all, so has the other, but for what buffers hold.
  expect(Math.min(...shares)).toBeGreaterThan(0.7 * Math.max(...shares));
  manager.set({ proxy: null, bandwidth: UNLIMITED });
  await sendBoth(2, 3);
  for (const agent of [first, second]) await agent.zero(2 * CHUNK_BLOCKS, DISK_BLOCKS - 2 * CHUNK_BLOCKS);
  expect([await first.checkpoint('c-1', 4), await second.checkpoint('c-2', 4)]).toEqual([1, 1]);
  expect(relays.map((relay) => relay.connections)).toEqual(connections);
  await until(
    'statistics say that there is no limit any more',
    () =>
      manager.statistics.some((sample) => sample.bandwidthLimitBitsPerSecond === 16 * MBIT_PER_SECOND) &&
      manager.statistics.at(-1)?.bandwidthLimitBitsPerSecond === null,
  );
});

// The trace of one point, through the real programs: agent → replication server → gateway → registry → NATS → consumer.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Agent } from '../../harness/agent.ts';
import { Cleanup } from '../../harness/cleanup.ts';
import { LoopDisk } from '../../harness/loop-disk.ts';
import { Manager } from '../../harness/manager.ts';
import { OtlpReceiver } from '../harness/otlp-receiver.ts';
import { TemporaryFolder } from '../harness/temporary-folder.ts';
import { until } from '../harness/until.ts';

const TEST_MILLISECONDS = 240_000;
const DISK_BYTES = 32 * 1024 * 1024;

/** From the point's beginning to what stats-ingest made of it. */
const CHAIN = [
  'point.create',
  'checkpoint.commit',
  'POST /v1/replication-server/machines/{machineId}/points',
  'lms.v1.Registry/ReportPoints',
  'publish event.point-committed',
  'event.point-committed',
];

const cleanup = new Cleanup();
let receiver: OtlpReceiver;
let manager: Manager;

beforeAll(async () => {
  receiver = await OtlpReceiver.start();
  cleanup.add('receiver', () => receiver[Symbol.asyncDispose]());
  const folder = await TemporaryFolder.create();
  cleanup.add('folder', () => folder[Symbol.asyncDispose]());
  const { environment } = receiver;
  const dataFolder = join(folder.path, 'manager');
  manager = await Manager.create({ dataFolder, logFolder: folder.path, cleanup, environment });
  await manager.start();
  const disk = await LoopDisk.create({ folder: folder.path, name: 'source', sizeBytes: DISK_BYTES, cleanup });
  const stateFolder = join(folder.path, 'agent');
  await mkdir(stateFolder, { recursive: true, mode: 0o700 });
  const agent = await Agent.start({
    manager,
    name: 'traced',
    disks: [disk.device],
    stateFolder,
    logFolder: folder.path,
    cleanup,
    environment,
  });
  cleanup.add('stop the agent', () => agent.stop());
  await manager.waitForState('traced', 'CONTINUOUS');
}, TEST_MILLISECONDS);
afterAll(async () => {
  expect(await cleanup.run()).toEqual([]);
}, TEST_MILLISECONDS);

/** Names of the spans of a trace, and whether the trace is one piece. */
function describeTrace(traceId: string) {
  const spans = receiver.trace(traceId);
  return {
    names: spans.map(({ name }) => name),
    roots: spans.filter(({ parentSpanId }) => parentSpanId === null).map(({ name }) => name),
    orphans: receiver.orphans(traceId).map(({ name }) => name),
  };
}

/** Traces that have the whole chain, once every span of theirs has come: spans arrive when they end, parents last. */
async function wholeTrace(root: string): Promise<ReturnType<typeof describeTrace>> {
  return until(`a whole trace that begins with ${root}`, () => {
    const begun = receiver.spans.filter(({ name, parentSpanId }) => name === root && parentSpanId === null);
    return begun
      .map(({ traceId }) => describeTrace(traceId))
      .find(({ names, orphans }) => CHAIN.every((name) => names.includes(name)) && orphans.length === 0);
  });
}

test(
  'a point that is made by itself is one trace from the agent to the consumer, without an orphan',
  async () => {
    const { roots, names } = await wholeTrace('point.create');
    expect(roots).toEqual(['point.create']);
    expect(names).toEqual(expect.arrayContaining(['point.drain', 'point.send', 'point.commit']));
  },
  TEST_MILLISECONDS,
);

test(
  'a point that an operator asks for belongs to the trace of the request',
  async () => {
    const { sequence } = await manager.createPoint('traced', 'crash');
    expect(sequence).toBeGreaterThan(0);
    const { roots } = await wholeTrace('POST /v1/machines/{idOrName}/points');
    expect(roots).toEqual(['POST /v1/machines/{idOrName}/points']);
  },
  TEST_MILLISECONDS,
);

test('no trace of a point is torn', async () => {
  await wholeTrace('point.create');
  const points = receiver.spans.filter(({ name }) => name === 'event.point-committed');
  for (const { traceId } of points) {
    await until('all spans of the trace', () => receiver.orphans(traceId).length === 0);
  }
});

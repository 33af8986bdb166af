// What the manager's services take on 443, with the real services, each a process of its own, and a real nats-server that
// syncs each write: reports by their kind, long-polls held at once, and commands while those are held.

import { OperationKind } from '@lms/proto';
import { cpuSeconds, privateMebibytes } from '../bench/meter.ts';
import { quantile } from '../bench/results.ts';
import type { Cleanup } from '../harness/cleanup.ts';
import { waitFor } from '../harness/condition.ts';
import { runLoad, type LoadResult } from './load.ts';
import { LongPolls, type Waiting } from './long-polls.ts';
import { agentSampleOf, disksOf, heartbeatOf, machineIdOf, serverSampleOf } from './machines.ts';
import { ManagerArea } from './manager-area.ts';
import { figure, printTable, say, sayHowBusy } from './report.ts';
import { watchFor } from './watch-for.ts';
import { withCleanup } from './with-cleanup.ts';

const SECONDS = 6;
/** Enough that syncs of NATS are shared as far as it shares them, and not so many that answers take long. */
const CONCURRENCY = 64;
const COMMANDS = 200;
const IDLE_MILLISECONDS = 10_000;
const SETTLE_MILLISECONDS = 180_000;
/** Of a processor. */
const QUIET_SHARE = 0.05;
const SERVICES_SHOWN = ['gateway', 'registry', 'stats-ingest', 'staging-controller', 'nats'] as const;

interface Kind {
  readonly name: string;
  readonly ask: (area: ManagerArea, request: number) => Promise<void>;
}

const KINDS: readonly Kind[] = [
  {
    name: 'heartbeat of an agent',
    ask: (area, request) => {
      const index = request % area.count;
      return area.post('machine', index, '/v1/agent/heartbeat', heartbeatOf(index));
    },
  },
  {
    name: 'statistics of an agent',
    ask: (area, request) => {
      const index = request % area.count;
      return area.post('machine', index, '/v1/agent/statistics', { batch: [agentSampleOf(request)] });
    },
  },
  {
    name: 'statistics of a replication server',
    ask: (area, request) => {
      const index = request % area.count;
      const batch = [{ ...serverSampleOf(index), lastMark: request }];
      return area.post('replication-server', index, '/v1/replication-server/statistics', { batch });
    },
  },
  {
    name: 'a point in time',
    ask: (area, request) => {
      const index = request % area.count;
      const path = `/v1/replication-server/machines/${machineIdOf(index)}/points`;
      const disks = disksOf(index).map((disk) => ({ ...disk, sizeBytes: Number(disk.sizeBytes), sha256: null }));
      const sequence = 1 + Math.floor(request / area.count);
      const point = { sequence, checkpointId: `c-${request}`, requestId: '', consistency: 'filesystem' };
      const made = { createdAt: new Date().toISOString(), pauseMicroseconds: 21_000, disks };
      return area.post('replication-server', index, path, { complete: false, points: [{ ...point, ...made }] });
    },
  },
];

export async function measureGateway(parameters: readonly string[]): Promise<void> {
  const [machines = 2_000, polls = Math.min(machines, 2_000)] = parameters.map(Number);
  sayHowBusy();
  await withCleanup(async (cleanup) => {
    const area = await ManagerArea.start(machines, cleanup);
    await settle(area);
    say(`${machines} machines are made`);
    const rows = [];
    for (const kind of KINDS) rows.push(await measureKind(area, kind));
    printTable(
      ['request', 'a second', 'p50 ms', 'p99 ms', ...SERVICES_SHOWN.map((name) => `${name}, CPU ms`), 'CPU ms'],
      rows,
    );
    await measureLongPolls(area, polls, cleanup);
  });
}

/** What follows from many new machines is done. */
async function settle(area: ManagerArea): Promise<void> {
  const cpu = (): number => cpuSeconds(area.processes.get('stats-ingest') ?? 0);
  const isQuiet = async (): Promise<boolean> => {
    const before = cpu();
    const seconds = await watchFor(1_000);
    return cpu() - before < QUIET_SHARE * seconds;
  };
  await waitFor('stats-ingest to have heard of all', isQuiet, { timeoutMilliseconds: SETTLE_MILLISECONDS });
}

async function measureKind(area: ManagerArea, { name, ask }: Kind): Promise<readonly string[]> {
  say(name);
  const { processes } = area;
  const result = await runLoad({ seconds: SECONDS, concurrency: CONCURRENCY, ask: (n) => ask(area, n), processes });
  return [name, ...rates(result), ...costs(result)];
}

function rates({ perSecond, p50Milliseconds, p99Milliseconds }: LoadResult): readonly string[] {
  return [perSecond, p50Milliseconds, p99Milliseconds].map(figure);
}

function costs({ cpuMilliseconds }: LoadResult): readonly string[] {
  const shown = SERVICES_SHOWN.map((name) => cpuMilliseconds.get(name) ?? Number.NaN);
  const all = [...cpuMilliseconds.values()].reduce((sum, cost) => sum + cost, 0);
  return [...shown, all].map(figure);
}

async function measureLongPolls(area: ManagerArea, count: number, cleanup: Cleanup): Promise<void> {
  const names = ['gateway', 'registry', 'staging-controller'] as const;
  const memory = (): readonly number[] => names.map((name) => privateMebibytes(area.processes.get(name) ?? 0));
  const polls = new LongPolls(area.gateway);
  cleanup.add('end the long-polls', () => polls.close());
  const rows: (readonly string[])[] = [];
  const note = (what: string, before: readonly number[]): void => {
    const grown = memory().map((mebibytes, at) => ((mebibytes - (before[at] ?? 0)) * 1_024) / count);
    rows.push([what, ...grown.map(figure)]);
  };
  let before = memory();
  await polls.open(count, async (index) => waitingAgent(area, index));
  note(`${count} agents wait, KiB each`, before);
  before = memory();
  await polls.open(count, async (index) => waitingServer(area, index));
  note(`${count} replication servers wait, KiB each`, before);
  const cpuBefore = cpuOf(area, names);
  const seconds = await watchFor(IDLE_MILLISECONDS);
  rows.push([
    `${2 * count} wait: share of a core`,
    ...cpuOf(area, names).map((cpu, at) => figure((cpu - (cpuBefore[at] ?? 0)) / seconds)),
  ]);
  rows.push(await measureCommands(area, count, names));
  printTable(['long-polls', ...names], rows);
  if (polls.problem !== null) say(`an answer was not as expected: ${polls.problem}`);
}

/** An operator asks for something of one machine after the other, while everybody waits. */
async function measureCommands(area: ManagerArea, count: number, names: readonly string[]): Promise<readonly string[]> {
  const before = cpuOf(area, names);
  const latencies: number[] = [];
  for (let index = 0; index < COMMANDS; index += 1) {
    const machineId = machineIdOf(index % count);
    const askedAt = performance.now();
    const { operation } = await area.registry.createOperation({
      ...{ idOrName: machineId, kind: OperationKind.RESCAN, consistency: 0, sequence: 0n, diskId: '' },
      ...{ timeoutSeconds: 0, traceparent: '', idempotencyKey: '' },
      ...{ checkpointId: '', offsetBytes: 0n, lengthBytes: 0n, replicationServer: '', check: undefined },
    });
    latencies.push(performance.now() - askedAt);
    await area.registry.completeOperation({
      ...{ operationId: operation?.operationId ?? '', machineIds: [machineId], succeeded: true },
      ...{ errorCode: '', errorMessage: '', sequence: 0n, verifyReport: undefined, sha256: '' },
      ...{ replicationServer: '', checkReportJson: '' },
    });
  }
  await waitFor('the registry to have told it', async () => (await area.registry.getTrust({})) !== undefined);
  const spent = cpuOf(area, names).map((cpu, at) => ((cpu - (before[at] ?? 0)) * 1_000) / COMMANDS);
  say(
    `a command while all wait: ${figure(quantile(latencies, 0.5))} ms p50, ${figure(quantile(latencies, 0.99))} ms p99`,
  );
  return [`a command, CPU ms`, ...spent.map(figure)];
}

function cpuOf(area: ManagerArea, names: readonly string[]): readonly number[] {
  return names.map((name) => cpuSeconds(area.processes.get(name) ?? 0));
}

async function waitingAgent(area: ManagerArea, index: number): Promise<Waiting> {
  return { path: '/v1/agent/commands?wait=25', authorization: await area.authorization('machine', index) };
}

/** It begins with a revision that is another one's, is answered at once, and waits with the revision of that answer. */
async function waitingServer(area: ManagerArea, index: number): Promise<Waiting> {
  const authorization = await area.authorization('replication-server', index);
  const revision = await area.revisionOf(authorization);
  return { path: `/v1/replication-server/assignments?wait=25&revision=${revision}`, authorization };
}

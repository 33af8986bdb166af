// What a replication server costs: on Kubernetes there is one for each machine, so what it costs while nothing happens is
// what many machines cost. The real process, as its pod starts it, over a manager that is only played.

import { randomFillSync } from 'node:crypto';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';

import type { AssignedMachine } from '@lms/api';
import { BLOCK_SIZE_BYTES } from '@lms/block-stream';
import { cpuSeconds, peakResidentMebibytes, privateMebibytes, residentMebibytes } from '../bench/meter.ts';
import { median } from '../bench/results.ts';
import { BackgroundProcess } from '../harness/background-process.ts';
import type { Cleanup } from '../harness/cleanup.ts';
import { waitFor } from '../harness/condition.ts';
import { findFreePort } from '../harness/free-port.ts';
import { TemporaryFolder } from '../integration/harness/temporary-folder.ts';
import { BOOTSTRAP_TOKEN, ManagerDouble } from '../integration/replication-server/manager-double.ts';
import { connectAgent, type TestAgent } from '../integration/replication-server/server-process.ts';
import { machineIdOf } from './machines.ts';
import { figure, printTable, say, sayHowBusy } from './report.ts';
import { watchFor } from './watch-for.ts';
import { withCleanup } from './with-cleanup.ts';

const MAIN = join(import.meta.dirname, '../../services/replication-server/src/main.ts');
const SETTLE_MILLISECONDS = 15_000;
const IDLE_MILLISECONDS = 20_000;
const HEARTBEAT_MILLISECONDS = 10_000;
const DISK_BYTES = 256 * 1024 ** 2;
const BLOCKS_OF_A_FRAME = 16;
const DISK_BLOCKS = DISK_BYTES / BLOCK_SIZE_BYTES;
const MEBIBYTES = DISK_BYTES / 1024 ** 2;
const MACHINE: AssignedMachine = {
  machineId: machineIdOf(1),
  name: 'source',
  settings: { retention: [{ everySeconds: 600, keepSeconds: 3_600 }], floorBytes: 16 * 1024 ** 2 },
};

interface Server {
  readonly pid: number;
  readonly port: number;
}

export async function measureReplicationServer(parameters: readonly string[]): Promise<void> {
  const [count = 6] = parameters.map(Number);
  sayHowBusy();
  await withCleanup(async (cleanup) => {
    const folder = await TemporaryFolder.create();
    cleanup.add('remove the folder', () => folder[Symbol.asyncDispose]());
    const manager = await ManagerDouble.create();
    cleanup.add('end the manager', () => manager[Symbol.asyncDispose]());
    manager.assign([MACHINE]);
    const servers: Server[] = [];
    for (let index = 0; index < count; index += 1) {
      servers.push(await startServer(manager, join(folder.path, `server-${index}`), cleanup));
    }
    say(`${count} replication servers run`);
    const rows = [await measureIdle('no agent is connected', servers)];
    const agents: TestAgent[] = [];
    cleanup.add('end the agents', () => agents.forEach((agent) => agent[Symbol.dispose]()));
    for (const { port } of servers) agents.push(await connect(manager, port));
    const beats = setInterval(() => beat(agents), HEARTBEAT_MILLISECONDS);
    cleanup.add('end the heartbeats', () => clearInterval(beats));
    rows.push(await measureIdle('an agent is connected, and nothing changes', servers));
    printTable(['each replication server', 'resident MiB', 'of it private MiB', 'CPU, share of a core'], rows);
    const [server, agent] = [servers[0], agents[0]];
    if (server !== undefined && agent !== undefined) await measureData(server, agent);
  });
}

async function startServer(manager: ManagerDouble, folder: string, cleanup: Cleanup): Promise<Server> {
  await mkdir(folder);
  const tokenFile = join(folder, 'token');
  await writeFile(tokenFile, `${BOOTSTRAP_TOKEN}\n`, { mode: 0o600 });
  const port = await findFreePort();
  const running = new BackgroundProcess({
    program: process.execPath,
    parameters: ['--import', '@lms/telemetry/preload', MAIN],
    logPath: join(folder, 'log'),
    environment: {
      LMS_DATA_DIRECTORY: join(folder, 'data'),
      LMS_BLOCK_STREAM_LISTEN: `127.0.0.1:${port}`,
      LMS_MANAGER_URL: manager.url,
      LMS_MANAGER_CA_SHA256: manager.authority.sha256,
      LMS_BOOTSTRAP_TOKEN_FILE: tokenFile,
      LMS_REPLICATION_SERVER_NAME: 'server',
      LMS_HEALTH_LISTEN: `127.0.0.1:${await findFreePort()}`,
      NODE_OPTIONS: '--max-semi-space-size=1',
    },
  });
  cleanup.add('end a replication server', () => running.end());
  await waitFor('it to be ready', () => manager.ready.some((report) => report.port === port));
  return { pid: running.pid, port };
}

function connect(manager: ManagerDouble, port: number): Promise<TestAgent> {
  const disks = [{ diskId: 'disk-1', device: '/dev/sda', sizeBytes: DISK_BYTES }];
  return waitFor('the machine to be assigned', () => connectAgent(manager, MACHINE.machineId, port, { disks }));
}

function beat(agents: readonly TestAgent[]): void {
  for (const { connection } of agents)
    connection.send({ type: 'heartbeat' }).catch((error: Error) => say(error.message));
}

async function measureIdle(what: string, servers: readonly Server[]): Promise<readonly string[]> {
  say(what);
  await watchFor(SETTLE_MILLISECONDS);
  const before = servers.map(({ pid }) => cpuSeconds(pid));
  const seconds = await watchFor(IDLE_MILLISECONDS);
  const spent = servers.reduce((sum, { pid }, at) => sum + cpuSeconds(pid) - (before[at] ?? 0), 0);
  const resident = servers.map(({ pid }) => residentMebibytes(pid));
  const own = servers.map(({ pid }) => privateMebibytes(pid));
  return [what, ...[median(resident), median(own), spent / seconds / servers.length].map(figure)];
}

/** Blocks that do not compress: first into an empty replica, then as changes after a point in time, each made durable. */
async function measureData(server: Server, agent: TestAgent): Promise<void> {
  const image = randomFillSync(Buffer.alloc(DISK_BYTES));
  const rows: (readonly string[])[] = [];
  for (const [round, what] of ['a first copy', 'all of it again, after a point in time'].entries()) {
    say(`${what}: ${MEBIBYTES} MiB`);
    const before = cpuSeconds(server.pid);
    const startedAt = performance.now();
    for (let block = 0; block < DISK_BLOCKS; block += BLOCKS_OF_A_FRAME) {
      await agent.write(image, block, BLOCKS_OF_A_FRAME);
    }
    await agent.checkpoint(`c-${round}`, 1 + round);
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpu = ((cpuSeconds(server.pid) - before) * 1_000) / MEBIBYTES;
    rows.push([what, ...[MEBIBYTES / seconds, cpu, peakResidentMebibytes(server.pid)].map(figure)]);
  }
  printTable(['data that does not compress', 'MiB/s', 'CPU ms for a MiB', 'most ever resident, MiB'], rows);
}

// How the driver `kubernetes` does with many machines on a real API server: `node test/scale/main.ts 10000`. Only objects
// are made; there is no kubelet that would start pods. Prints how long, how many calls, how much memory; then what a
// restart costs. It is no part of `make test`: the figures stand in docs/scale.md.

import process from 'node:process';
import { CoreV1Api } from '@kubernetes/client-node';
import { CreateTokenResponse, GetTrustResponse } from '@lms/proto';
import { KubernetesDriver, parseKubernetesSettings } from '@lms/staging-controller';
import { createLogger } from '@lms/telemetry';
import { waitFor } from '../harness/condition.ts';
import { KubeApiServer } from '../harness/kube-api-server.ts';

const NAMESPACE = 'scale';
const OBJECTS_PER_MACHINE = 5;
const LIMIT_MILLISECONDS = 3_600_000;
const DISK_BYTES = 100 * 1024 ** 3;

const count = Number(process.argv[2] ?? 1_000);
const requestsPerSecond = Number(process.argv[3] ?? 1_000);

const settings = parseKubernetesSettings(
  JSON.stringify({
    namespace: NAMESPACE,
    instance: 'scale',
    fullName: 'lms',
    managerUrl: 'https://gateway.example',
    replicationServer: { image: 'registry.example/replication-server:1' },
    networkPolicy: {},
    exposure: { mode: 'router', advertise: { host: 'stream.example' } },
    limits: { requestsPerSecond, burst: requestsPerSecond, concurrentMachines: 16 },
  }),
  'settings',
);

const machines = new Map(
  Array.from({ length: count }, (_, index) => {
    const machineId = `m-${index.toString(16).padStart(20, '0')}`;
    return [machineId, { machineId, diskBytes: [DISK_BYTES], calledAt: null }];
  }),
);

/** The registry is not what is measured: it gives a token at once. */
const registry = {
  createToken: () => Promise.resolve(CreateTokenResponse.fromPartial({ secret: 'token' })),
  getTrust: () => Promise.resolve(GetTrustResponse.fromPartial({ caSha256: '0'.repeat(64) })),
};

async function startDriver(server: KubeApiServer, identity: string): Promise<KubernetesDriver> {
  const kubernetes = { settings, identity, kubeConfig: server.adminConfig(NAMESPACE) };
  const driver = new KubernetesDriver({ kubernetes, registry, logger: createLogger('scale') });
  await driver.start();
  await waitFor('the driver to lead', () => driver.leads, { timeoutMilliseconds: LIMIT_MILLISECONDS });
  return driver;
}

function say(what: string): void {
  const { rss, heapUsed } = process.memoryUsage();
  const mebibytes = (bytes: number): string => `${Math.round(bytes / 1024 ** 2)} MiB`;
  process.stdout.write(`${what}; resident ${mebibytes(rss)}, heap ${mebibytes(heapUsed)}\n`);
}

async function measure(work: () => Promise<void>): Promise<string> {
  const startedAt = performance.now();
  const before = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(before);
  const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1);
  return `${seconds} s, ${((user + system) / 1e6).toFixed(1)} s of processor time`;
}

async function run(server: KubeApiServer): Promise<void> {
  const admin = server.adminConfig().makeApiClient(CoreV1Api);
  await admin.createNamespace({ body: { metadata: { name: NAMESPACE } } });
  say('before');
  const first = await startDriver(server, 'first');
  const made = await measure(async () => {
    first.run({ machines, removed: new Set() });
    const isDone = (): boolean => first.objects().length >= count * OBJECTS_PER_MACHINE;
    await waitFor('all objects', isDone, { timeoutMilliseconds: LIMIT_MILLISECONDS, pollMilliseconds: 500 });
  });
  say(`${count} machines made: ${made}, ${first.writes} writes`);
  await first.stop();
  let writes = 0;
  const restarted = await measure(async () => {
    const second = await startDriver(server, 'second');
    second.run({ machines, removed: new Set() });
    await waitFor('everything to be looked at', () => second.idle, { timeoutMilliseconds: LIMIT_MILLISECONDS });
    writes = second.writes;
    await second.stop();
  });
  say(`restart: everything seen and planned again in ${restarted}, ${writes} writes`);
}

const server = await KubeApiServer.start();
try {
  await run(server);
} finally {
  await server[Symbol.asyncDispose]();
}

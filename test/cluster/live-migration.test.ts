// One story on a real cluster, from nothing to an uninstall: its steps build on each other, and a step that fails ends it.
//
// The agent is no pod: it stands beside the cluster and reaches only the ingress controller and the router.

import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { Cleanup } from '../harness/cleanup.ts';
import { requireCommand } from '../harness/command.ts';
import { waitFor } from '../harness/condition.ts';
import { firstDifference } from '../harness/disk-content.ts';
import { startFio } from '../harness/fio.ts';
import { LoopDisk } from '../harness/loop-disk.ts';
import { OrderedWriter, readOrderedFolder } from '../harness/ordered-writer.ts';
import { seededChoice } from '../harness/seed.ts';
import { killOne, shuffled, VICTIMS } from './chaos.ts';
import { imageOf, imagesArchive, NEXT_TAG, TAG } from './images.ts';
import { Marks } from './marks.ts';
import { createFixedVolume, stopKubeletAndContainerd, waitForKubelets } from './node.ts';
import { commandIn } from './release.ts';
import { MANAGER_HOST, World } from './world.ts';
import type { SourceMachine } from './world.ts';

const STEP_MILLISECONDS = 600_000;
const FIRST = 'first';
const SECOND = 'second';
const FIXED_CLASS = 'lms-test-fixed';
/** The floor of free space is 512 MiB: a volume of this size has little above it. */
const FIXED_MEBIBYTES = 900;
const MEBIBYTE = 1024 * 1024;

const world = new World();
const { cluster, release } = world;
const choice = seededChoice('cluster');
let first: SourceMachine;
let second: SourceMachine;
let marks: Marks;
let writer: OrderedWriter;
let endLoad: () => Promise<void>;
let fixedFolder: string;
/** What the namespace holds without the release. */
let others: readonly string[];
let failed: string | null = null;

const storage = { className: null as string | null, sizeFactor: 1.5 };
function values(tag: string) {
  return world.values({ image: { tag, pullPolicy: 'IfNotPresent' }, replication: { storage } });
}

/** Steps are tests, so that each is counted; after one that failed the rest fail at once. */
function step(name: string, run: () => Promise<void>): void {
  test(
    name,
    async () => {
      if (failed !== null) throw new Error(`not tried: '${failed}' has failed`);
      const startedAt = performance.now();
      try {
        await run();
        process.stderr.write(`cluster: ${((performance.now() - startedAt) / 1_000).toFixed(0)} s: ${name}\n`);
      } catch (error) {
        failed = name;
        await world.keepEvidence();
        throw error;
      }
    },
    STEP_MILLISECONDS,
  );
}

/** What was written and acknowledged before is on the image, its order is kept, and its file system is good. */
async function checkImage(image: string): Promise<void> {
  const mounts = new Cleanup();
  try {
    const folderOfMounts = await mkdtemp(join(world.folder, 'check-'));
    const options = { folder: folderOfMounts, name: 'check', sizeBytes: 0, cleanup: mounts };
    const disk = await LoopDisk.attach(image, options);
    const folder = await disk.mount();
    expect(await marks.missing(folder)).toEqual([]);
    expect((await readOrderedFolder(join(folder, 'ordered'))).problems).toEqual([]);
    await disk.unmount(folder);
    await requireCommand('e2fsck', ['-fn', disk.device]);
  } finally {
    expect(await mounts.run()).toEqual([]);
  }
  await requireCommand('rm', [image]);
}

/** Says `connected`, or `refused` (also when nobody answers). */
function connectScript(host: string, port: number): string {
  return `const socket = require('node:net').connect(${JSON.stringify({ host, port, timeout: 5_000 })});
    const end = (word) => { console.log(word); process.exit(); };
    socket.on('connect', () => end('connected')).on('error', () => end('refused')).on('timeout', () => end('refused'));`;
}

/** A write that is acknowledged now is in the next point. */
async function proveReplication(): Promise<void> {
  await marks.write();
  await checkImage(await world.exportNewPoint(FIRST));
}

beforeAll(async () => {
  await cluster.loadImages(await imagesArchive());
  await world.begin(imageOf('setup', TAG));
}, STEP_MILLISECONDS);

afterAll(async () => {
  const problems = await world.cleanup.run();
  expect(problems).toEqual([]);
}, STEP_MILLISECONDS);

step(
  'helm install --wait, under Pod Security "restricted"; what the notes say next works; helm test passes',
  async () => {
    others = await release.objects();
    const notes = await release.apply(values(TAG));
    await requireCommand('sh', ['-euc', commandIn(notes, '> operator.json')], { folder: world.folder });
    const status = await world.operator.json<{ healthy: boolean }>('status', '--wait', '120s');
    expect(status.healthy).toBe(true);
    const log = await release.test();
    for (const what of ['443', '1500', 'nats', 'storage']) expect(log).toContain(`"step":"${what}"`);
  },
);

step(
  'a machine outside enrols through the ingress and replicates through the router into a pod of its own',
  async () => {
    first = await world.sourceMachine(FIRST, 192);
    writer = OrderedWriter.start({ folders: [join(first.mountPoint, 'ordered')] });
    world.cleanup.add('stop the writer', async () => writer.stop());
    const fio = startFio({
      target: join(first.mountPoint, 'fio.data'),
      sizeMebibytes: 48,
      rateMebibytesPerSecond: 2,
      blockKibibytes: 64,
      logPath: join(world.logFolder, 'fio.log'),
    });
    world.cleanup.add('end fio', async () => fio.end());
    endLoad = async () => {
      await fio.end();
      await writer.stop();
    };
    await first.agent.enrol();
    first.agent.start();
    await world.operator.waitForState(FIRST, 'CONTINUOUS', '4m');
    const [pod] = await cluster.pods(release.namespace, release.selector('replication-server'));
    expect(pod?.status.phase).toBe('Running');
    marks = new Marks(first.mountPoint);
    await proveReplication();
  },
);

step('the network outside leads to the ingress and the router and nowhere else', async () => {
  const [pod] = await cluster.pods(release.namespace, release.selector('gateway'));
  const reach = async (host: string, port: number): Promise<string> => {
    const { program, parameters } = world.place.command(process.execPath, '--eval', connectScript(host, port));
    return (await requireCommand(program, parameters)).trim();
  };
  expect(await reach(MANAGER_HOST, 443)).toBe('connected');
  expect(await reach(cluster.address, 1500)).toBe('connected');
  expect(await reach(cluster.address, 6443)).toBe('refused');
  expect(await reach(pod?.status.podIP ?? '', 8080)).toBe('refused');
});

step(
  'one trace follows a point from the operator through agent, replication server and services, without an orphan',
  async () => {
    await world.operator.createPoint(FIRST, 'crash');
    await waitFor('a whole trace of the point', async () => {
      const spans = await world.traces.spans();
      const roots = spans.all.filter(
        ({ name, parentSpanId }) => name === 'POST /v1/machines/{idOrName}/points' && parentSpanId === null,
      );
      return roots.some(({ traceId }) => {
        const names = spans.trace(traceId).map(({ name }) => name);
        const chain = [
          'point.drain',
          'point.send',
          'checkpoint.commit',
          'lms.v1.Registry/ReportPoints',
          'event.point-committed',
        ];
        return chain.every((name) => names.includes(name)) && spans.orphans(traceId).length === 0;
      });
    });
  },
);

for (const victim of shuffled([...VICTIMS, ...VICTIMS], choice)) {
  step(`${victim} is killed: what is written after it is in the next point`, async () => {
    process.stderr.write(`cluster: ${await killOne(cluster, release, victim, choice)}\n`);
    await proveReplication();
  });
}

step('an eviction of the replication server: it comes back, and goes on without a rescan', async () => {
  const losses = (await first.agent.status()).trackerLosses;
  const [pod] = await cluster.pods(release.namespace, release.selector('replication-server'));
  if (pod === undefined) throw new Error('there is no replication server');
  const { name, uid } = pod.metadata;
  const eviction = join(world.folder, 'eviction.json');
  const metadata = { name, namespace: release.namespace };
  await writeFile(eviction, JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata }));
  await cluster.kubectl(
    'create',
    '--raw',
    `/api/v1/namespaces/${release.namespace}/pods/${name}/eviction`,
    '-f',
    eviction,
  );
  await waitFor('another pod', async () =>
    (await cluster.pods(release.namespace, release.selector('replication-server'))).some(
      ({ metadata: { uid: other } }) => other !== uid,
    ),
  );
  await proveReplication();
  expect((await first.agent.status()).trackerLosses).toBe(losses);
});

step('helm upgrade to another version, with another storage class, while the load goes on', async () => {
  storage.className = FIXED_CLASS;
  fixedFolder = await createFixedVolume({
    cluster,
    cleanup: world.cleanup,
    name: 'lms-test-fixed',
    storageClass: FIXED_CLASS,
    sizeMebibytes: FIXED_MEBIBYTES,
  });
  await release.apply(values(NEXT_TAG));
  await waitFor(
    'every pod to be of the next version',
    async () => {
      const pods = await cluster.pods(release.namespace, `app.kubernetes.io/instance=${release.name}`);
      const images = pods.flatMap(({ spec }) => spec.containers.map(({ image }) => image));
      return images.length > 0 && images.every((image) => image.endsWith(`:${NEXT_TAG}`));
    },
    { timeoutMilliseconds: 300_000 },
  );
  await proveReplication();
});

step('a second machine reaches its own replication server, and not the one of the first', async () => {
  second = await world.sourceMachine(SECOND, 96);
  await second.agent.enrol();
  second.agent.start();
  await world.operator.waitForState(SECOND, 'CONTINUOUS', '4m');

  const [firstId, secondId] = [await world.operator.machine(FIRST), await world.operator.machine(SECOND)].map(
    ({ id }) => id,
  );
  const probe = async (machineId: string | undefined): Promise<string> => {
    const words = [
      join(import.meta.dirname, 'probe-block-stream.fixture.ts'),
      second.stateFolder,
      cluster.address,
      '1500',
    ];
    const { program, parameters } = world.place.command(process.execPath, ...words, machineId ?? '');
    return (await requireCommand(program, parameters)).trim();
  };
  // Whoever is accepted is asked for its HELLO, unless the server's own heartbeat was faster.
  expect(await probe(secondId)).toMatch(/^heartbeat|HELLO/);
  expect(await probe(firstId)).toMatch(/^UNAUTHENTICATED: .*asked for server name/);

  // Beside the certificate, the network: from the second's pod to the first's.
  const podOf = async (machineId: string | undefined): Promise<{ name: string; address: string }> => {
    const selector = `${release.selector('replication-server')},live-migration-service/machine-id=${machineId}`;
    const [pod] = await cluster.waitForReadyPods(release.namespace, selector, 1);
    return { name: pod?.metadata.name ?? '', address: pod?.status.podIP ?? '' };
  };
  const target = await podOf(firstId);
  const [router] = await cluster.waitForReadyPods(release.namespace, release.selector('router'), 1);
  const reachFrom = async (pod: string): Promise<string> => {
    const script = connectScript(target.address, 1500);
    return (
      await cluster.kubectl('exec', pod, '--namespace', release.namespace, '--', 'node', '--eval', script)
    ).trim();
  };
  expect(await reachFrom(router?.metadata.name ?? '')).toBe('connected');
  expect(await reachFrom((await podOf(secondId)).name)).toBe('refused');
});

step('a full volume stalls its machine and no other; with room again it goes on by itself', async () => {
  const fill = `free=$(df --output=avail -B1 ${fixedFolder} | tail -1); fallocate -l $((free - ${530 * MEBIBYTE})) ${fixedFolder}/ballast`;
  await cluster.onNode(fill);
  const load = startFio({
    target: join(second.mountPoint, 'fill.data'),
    sizeMebibytes: 48,
    rateMebibytesPerSecond: 16,
    blockKibibytes: 64,
    logPath: join(world.logFolder, 'fill.log'),
  });
  try {
    await waitFor(
      'STAGING_FULL',
      async () => {
        const { stallCause, replicationState } = await world.operator.machine(SECOND);
        return replicationState === 'STALLED' && stallCause === 'STAGING_FULL';
      },
      { timeoutMilliseconds: 180_000 },
    );
    await proveReplication();
  } finally {
    await load.end();
    await cluster.onNode(`rm -f ${fixedFolder}/ballast`);
  }
  await world.operator.waitForState(SECOND, 'CONTINUOUS', '3m');
});

step(
  'kubelet and containerd are stopped, and replication goes on; they are started, and what dies then comes back',
  async () => {
    const start = await stopKubeletAndContainerd(cluster);
    try {
      await proveReplication();
    } finally {
      await start();
    }
    await waitForKubelets(cluster, new Date());
    process.stderr.write(`cluster: ${await killOne(cluster, release, 'replication-server', choice)}\n`);
    await proveReplication();
  },
);

step('at rest, the export of the last point equals the source, bit for bit', async () => {
  await endLoad();
  await first.disk.unmount(first.mountPoint);
  const image = await world.exportNewPoint(FIRST);
  expect(firstDifference(first.disk.device, image)).toBeNull();
  const machine = await world.operator.machine(FIRST);
  expect(machine.disks.map(({ tracker }) => tracker)).toEqual(['trace']);
});

step('the logs name the address of the source', async () => {
  if (world.ownAddress === null) return;
  const selector = release.selector('router');
  const log = await cluster.kubectl(
    'logs',
    '--namespace',
    release.namespace,
    '--selector',
    selector,
    '--all-containers',
    '--tail=-1',
  );
  expect(log).toContain(`"source":"${world.ownAddress}:`);
});

step('helm uninstall leaves volumes and Secrets, says so, and a new release takes them up', async () => {
  const said = await release.uninstall();
  const left = await remaining();
  expect(left.filter((object) => !/^(persistentvolumeclaim|secret)\//.test(object))).toEqual([]);
  expect(left.filter((object) => /^persistentvolumeclaim\/.*-rs-/.test(object))).toHaveLength(2);
  for (const object of left) expect(said).toContain(`kept ${object}`);
  const losses = (await first.agent.status()).trackerLosses;
  await release.apply(values(NEXT_TAG));
  await world.operator.waitForState(FIRST, 'CONTINUOUS', '4m');
  const image = await world.exportNewPoint(FIRST);
  expect(firstDifference(first.disk.device, image)).toBeNull();
  expect((await first.agent.status()).trackerLosses).toBe(losses);
});

step('told to, helm uninstall leaves nothing', async () => {
  await release.apply({ ...values(NEXT_TAG), uninstall: { deleteData: true } });
  await release.uninstall();
  await waitFor('everything to be gone', async () => (await remaining()).length === 0);
});

/** Of the release. Objects that are being removed are there until they are gone. */
async function remaining(): Promise<readonly string[]> {
  return (await release.objects()).filter((object) => !others.includes(object));
}

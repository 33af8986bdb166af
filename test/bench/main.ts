// make bench: initial sync, delta and rescan against tuned nbdcopy and tuned qemu-img over TLS, in interleaved rounds on
// one machine with everything in memory; then lag and pause under a load. Results are compared byte by byte.

import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { randomFillSync } from 'node:crypto';
import { availableParallelism, loadavg } from 'node:os';
import { join } from 'node:path';
import { Cleanup } from '../harness/cleanup.ts';
import { requireCommand } from '../harness/command.ts';
import { LoopDisk } from '../harness/loop-disk.ts';
import { writeBenchImage, seededRandom, shuffle } from './image.ts';
import { measureLoad } from './load.ts';
import { createPeerCertificates } from './peer-certificates.ts';
import { measurePeer, type CopyMeasurement, type PeerName } from './peer.ts';
import { Product } from './product.ts';
import { compare, single, table, type Figure } from './results.ts';

const MEBIBYTE = 1024 * 1024;
const SIZE_BYTES = Number(process.env['BENCH_MEBIBYTES'] ?? 2048) * MEBIBYTE;
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const BLOCK_BYTES = 65_536;
/** Of the processors: with more of them at work before the bench begins, it measures somebody else. */
const BUSY_SHARE = 0.25;
/** 5 % of 2 GiB. */
const DELTA_BLOCKS = Math.floor((SIZE_BYTES * 0.05) / BLOCK_BYTES);
const OUTPUT = join(import.meta.dirname, '../../bench/results.json');

type Runs = Record<'ours' | 'nbdcopy' | 'qemu-img', CopyMeasurement[]>;

const newRuns = (): Runs => ({ ours: [], nbdcopy: [], 'qemu-img': [] });
const sizeMebibytes = SIZE_BYTES / MEBIBYTE;
const rates = (runs: readonly CopyMeasurement[]): number[] => runs.map(({ seconds }) => sizeMebibytes / seconds);
const costs = (runs: readonly CopyMeasurement[]): number[] =>
  runs.map((run) => run.cpuSeconds / (SIZE_BYTES / 1024 ** 3));

function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

/** Random 64 KiB blocks, each changed once. */
function changeBlocks(device: string, seed: number): void {
  const places = shuffle(
    Array.from({ length: SIZE_BYTES / BLOCK_BYTES }, (_, index) => index),
    seededRandom(seed),
  );
  const file = openSync(device, 'rs+');
  try {
    for (const place of places.slice(0, DELTA_BLOCKS)) {
      writeSync(file, randomFillSync(Buffer.alloc(BLOCK_BYTES)), 0, BLOCK_BYTES, place * BLOCK_BYTES);
    }
  } finally {
    closeSync(file);
  }
}

async function requireEqual(first: string, second: string): Promise<void> {
  await requireCommand('cmp', [first, second]);
}

async function bench(folder: string, cleanup: Cleanup): Promise<Figure[]> {
  const figures: Figure[] = [];
  const certificates = join(folder, 'certificates');
  mkdirSync(certificates);
  await createPeerCertificates(certificates);
  say(`writing the image (${sizeMebibytes} MiB)`);
  await writeBenchImage(join(folder, 'source.img'), SIZE_BYTES);
  const disk = await LoopDisk.attach(join(folder, 'source.img'), {
    folder,
    name: 'source',
    sizeBytes: SIZE_BYTES,
    cleanup,
  });
  const product = await Product.start(folder, cleanup);
  const initial = newRuns();
  const delta = newRuns();
  const rescan: Pick<Runs, 'ours' | 'qemu-img'> = { ours: [], 'qemu-img': [] };
  const peer = async (name: PeerName, targetIsEmpty: boolean): Promise<CopyMeasurement> => {
    const targetPath = join(folder, 'target.img');
    const run = {
      source: disk.device,
      targetPath,
      sizeBytes: SIZE_BYTES,
      folder,
      certificates,
      cleanup,
      targetIsEmpty,
    };
    const measured = await measurePeer(name, run);
    await requireEqual(targetPath, disk.imagePath);
    return measured;
  };
  for (let round = 1; round <= ROUNDS; round++) {
    say(`round ${round} of ${ROUNDS}: initial sync`);
    for (const name of ['nbdcopy', 'qemu-img'] as const) initial[name].push(await peer(name, true));
    const agent = await product.enrol(disk);
    initial.ours.push(await product.measure(agent, 'initial sync is complete', () => agent.start()));
    say(`round ${round} of ${ROUNDS}: rescan of an equal disk`);
    rescan['qemu-img'].push(await peer('qemu-img compare', false));
    rescan.ours.push(
      await product.measure(agent, 'rescan is complete', async () => {
        await product.manager.json('machine', 'rescan', agent.name);
      }),
    );
    say(`round ${round} of ${ROUNDS}: delta`);
    await product.manager.json('machine', 'pause', agent.name);
    await product.manager.waitForState(agent.name, 'PAUSED');
    changeBlocks(disk.device, round);
    for (const name of ['nbdcopy', 'qemu-img'] as const) delta[name].push(await peer(name, false));
    delta.ours.push(
      await product.measure(agent, 'catching up is complete', async () => {
        await product.manager.json('machine', 'resume', agent.name);
      }),
    );
    const point = await product.manager.createPoint(agent.name, 'crash');
    const exported = join(folder, 'export.img');
    await product.manager.exportDisk(agent.name, point.sequence, point.disks[0]?.id ?? '', exported);
    await requireEqual(exported, disk.imagePath);
    rmSync(exported);
    const resident = await product.peakResidentMebibytes(agent);
    if (round === ROUNDS) {
      figures.push(single('peak memory of the agent', 'MiB', [resident.agent]));
      figures.push(single('peak memory of the replication server', 'MiB', [resident.replicationServer]));
    }
    await agent.uninstall();
  }
  for (const name of ['nbdcopy', 'qemu-img'] as const) {
    figures.push(compare(`initial sync against ${name}`, 'MiB/s', rates(initial.ours), name, rates(initial[name])));
    figures.push(
      compare(
        `initial sync, CPU of both ends, against ${name}`,
        's/GiB',
        costs(initial.ours),
        name,
        costs(initial[name]),
      ),
    );
    const seconds = (runs: readonly CopyMeasurement[]): number[] => runs.map((run) => run.seconds);
    figures.push(
      compare(`delta of 5 % against a whole copy by ${name}`, 's', seconds(delta.ours), name, seconds(delta[name])),
    );
  }
  figures.push(
    compare(
      'rescan of an equal disk against qemu-img compare',
      'MiB/s',
      rates(rescan.ours),
      'qemu-img',
      rates(rescan['qemu-img']),
    ),
  );
  const wire = (runs: readonly CopyMeasurement[]): number[] => runs.map((run) => run.wireMebibytes);
  figures.push(compare('initial sync, bytes on the wire', 'MiB', wire(initial.ours), 'nbdcopy', wire(initial.nbdcopy)));
  const changedMebibytes = (DELTA_BLOCKS * BLOCK_BYTES) / MEBIBYTE;
  figures.push(
    single(
      'delta, bytes on the wire against bytes changed',
      '×',
      wire(delta.ours).map((value) => value / changedMebibytes),
    ),
  );
  say('lag and pause under a load');
  figures.push(...(await measureLoad(product, folder, cleanup)));
  return figures;
}

const cleanup = new Cleanup();
// Memory, so that nobody's disk is measured.
const folder = mkdtempSync('/dev/shm/lms-bench-');
cleanup.add('remove the folder', () => rmSync(folder, { recursive: true, force: true }));
let exitCode = 0;
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    void cleanup.run().then(() => process.exit(130));
  });
}
const [loadAverageBefore = 0] = loadavg();
if (loadAverageBefore > availableParallelism() * BUSY_SHARE)
  say(`the machine is busy (load average ${loadAverageBefore.toFixed(1)}): do not trust these figures`);
try {
  const figures = await bench(folder, cleanup);
  mkdirSync(join(OUTPUT, '..'), { recursive: true });
  writeFileSync(OUTPUT, `${JSON.stringify({ loadAverageBefore, figures }, null, 2)}\n`);
  process.stdout.write(`${table(figures)}\n`);
} catch (error) {
  say(error instanceof Error ? (error.stack ?? error.message) : String(error));
  exitCode = 1;
} finally {
  for (const problem of await cleanup.run()) {
    say(problem);
    exitCode = 1;
  }
}
process.exitCode = exitCode;

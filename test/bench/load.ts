// What a machine under load gets: how old its points are, how long its writers wait, what tracking costs.

import { join } from 'node:path';
import type { Cleanup } from '../harness/cleanup.ts';
import { waitFor } from '../harness/condition.ts';
import { startFio } from '../harness/fio.ts';
import { LoopDisk } from '../harness/loop-disk.ts';
import { cpuSeconds } from './meter.ts';
import type { Product } from './product.ts';
import { quantile, single, type Figure } from './results.ts';

const DISK_MEBIBYTES = 1024;
const FILE_MEBIBYTES = 256;
const RATE_MEBIBYTES_PER_SECOND = 10;
const POINTS = 8;

export async function measureLoad(product: Product, folder: string, cleanup: Cleanup): Promise<Figure[]> {
  const disk = await LoopDisk.create({ folder, name: 'load', sizeBytes: DISK_MEBIBYTES * 1024 * 1024, cleanup });
  await disk.format('ext4');
  const mount = await disk.mount();
  const fio = startFio({
    target: join(mount, 'file'),
    sizeMebibytes: FILE_MEBIBYTES,
    rateMebibytesPerSecond: RATE_MEBIBYTES_PER_SECOND,
    blockKibibytes: 64,
    logPath: join(folder, 'fio.log'),
  });
  cleanup.add('end fio', async () => fio.kill());
  const agent = await product.enrol(disk);
  agent.start();
  await product.manager.waitForState(agent.name, 'CONTINUOUS');
  const startedAt = performance.now();
  const cpuBefore = cpuSeconds(agent.process.pid);
  const lags: number[] = [];
  const pauses: number[] = [];
  for (let point = 0; point < POINTS; point++) {
    const { sequence } = await product.manager.createPoint(agent.name, 'filesystem');
    const machine = await waitFor('the point to be seen', async () => {
      const seen = await product.manager.ask((api, signal) => api.machine(agent.name, signal));
      return (seen.lastPoint?.sequence ?? 0) >= sequence && seen;
    });
    if (machine.lagSeconds !== null) lags.push(machine.lagSeconds);
    const status = await waitFor('the agent to tell', async () => {
      const told = await agent.status();
      return (told.lastPoint?.sequence ?? 0) >= sequence && told;
    });
    if (status.lastPauseMicroseconds !== null) pauses.push(status.lastPauseMicroseconds / 1000);
  }
  const seconds = (performance.now() - startedAt) / 1000;
  const share = (cpuSeconds(agent.process.pid) - cpuBefore) / seconds;
  await agent.uninstall();
  return [
    single('age of a new point when operators see it, p50', 's', [quantile(lags, 0.5)]),
    single(`age of a new point when operators see it, longest of ${lags.length}`, 's', [Math.max(...lags)]),
    single('freeze pause, p50', 'ms', [quantile(pauses, 0.5)]),
    single(`freeze pause, longest of ${pauses.length}`, 'ms', [Math.max(...pauses)]),
    single('CPU of the agent, tracking and copying 10 MiB/s of 64 KiB writes', 'cores', [share]),
  ];
}

// How long images take to start: of services until the health port says SERVING, with all that they need running; of programs
// that need a cluster to serve, until they have loaded and say what is missing.

import type { Docker } from '../../scripts/images/docker.ts';
import { TARGETS, type Target } from '../../scripts/images/targets.ts';
import { Cleanup } from '../harness/cleanup.ts';
import { waitFor } from '../harness/condition.ts';
import { ManagerContainers, SERVICES } from '../containers/manager-containers.ts';
import { image, RESTRICTED } from './built-images.ts';

const REPETITIONS = 3;
const POLL_MILLISECONDS = 5;

export interface StartTime {
  readonly medianSeconds: number;
  readonly until: 'serving' | 'loaded';
}

export async function measureStartTimes(docker: Docker): Promise<ReadonlyMap<Target, StartTime>> {
  const times = new Map<Target, StartTime>();
  for (const target of TARGETS) {
    const medianSeconds = await repeat(() => loadSeconds(docker, target));
    times.set(target, { medianSeconds, until: target === 'nats' ? 'serving' : 'loaded' });
  }
  const cleanup = new Cleanup();
  try {
    const manager = await ManagerContainers.start(docker, cleanup);
    for (const service of SERVICES) await manager.part(service).untilServing();
    for (const service of SERVICES)
      times.set(service, { medianSeconds: await repeat(() => servingSeconds(manager, service)), until: 'serving' });
  } finally {
    for (const problem of await cleanup.run()) process.stderr.write(`images: clean-up: ${problem}\n`);
  }
  return times;
}

async function servingSeconds(manager: ManagerContainers, service: (typeof SERVICES)[number]): Promise<number> {
  const container = manager.part(service);
  await container.kill();
  const startedAt = performance.now();
  await container.startAgain();
  await container.untilServing();
  return (performance.now() - startedAt) / 1000;
}

/** nats-server is started for good; it says so within the time that is measured. */
async function loadSeconds(docker: Docker, target: Target): Promise<number> {
  const container = (await docker.run('create', '--network', 'none', ...RESTRICTED, image(target))).trim();
  try {
    const startedAt = performance.now();
    await docker.run('start', container);
    if (target !== 'nats') await docker.run('wait', container);
    else
      await waitFor(
        'nats-server',
        async () => (await docker.pipe(`"$DOCKER" logs ${container} 2>&1`)).includes('Server is ready'),
        { pollMilliseconds: POLL_MILLISECONDS },
      );
    return (performance.now() - startedAt) / 1000;
  } finally {
    await docker.run('rm', '--force', container);
  }
}

async function repeat(measure: () => Promise<number>): Promise<number> {
  const seconds: number[] = [];
  for (let count = 0; count < REPETITIONS; count += 1) seconds.push(await measure());
  return seconds.toSorted((one, other) => one - other)[Math.floor(REPETITIONS / 2)] ?? 0;
}

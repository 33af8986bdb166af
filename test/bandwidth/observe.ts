// Replays traces on machines behind links of one rate, and looks at their lag: some minutes for each group of traces.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ObservedCase, SavedMeasurement } from './observed-case.ts';
import { ShapedWorld } from './shaped-world.ts';

const RATIO = 0.5;
const FREEZE_INTERVAL_SECONDS = 1;

export interface Observation {
  readonly traces: readonly string[];
  readonly linkBitsPerSecond: number;
  readonly pointIntervalSeconds: number;
  readonly seconds: number;
}

export async function observe(observation: Observation): Promise<readonly ObservedCase[]> {
  const world = new ShapedWorld();
  try {
    return await observeIn(world, observation);
  } finally {
    for (const problem of await world.cleanup.run()) process.stderr.write(`${problem}\n`);
  }
}

async function observeIn(world: ShapedWorld, observation: Observation): Promise<readonly ObservedCase[]> {
  const { traces, linkBitsPerSecond, pointIntervalSeconds, seconds } = observation;
  const settings = ['--point-interval', `${pointIntervalSeconds}s`, '--freeze-interval', `${FREEZE_INTERVAL_SECONDS}s`];
  const machines = [];
  for (const [index, trace] of traces.entries()) {
    const source = await world.addSource(`source${index}`, RATIO);
    machines.push({ trace, source, path: join(world.folder, `${trace}.json`) });
  }
  const measuring = machines.map(async ({ trace, source, path }) => {
    await source.startReplay({ trace, ratio: RATIO, seconds: seconds + 5 });
    await source.bandwidth('--disk', source.disk.device, '--duration', `${seconds}s`, '--save', path);
  });
  const measured = Promise.all(measuring);
  measured.catch(() => undefined); // awaited below, unless the manager does not start
  await world.startManager();
  await measured;
  const running = [];
  for (const machine of machines) {
    const agent = await machine.source.startAgent(settings);
    running.push({ ...machine, agent });
  }
  for (const { source, agent } of running) {
    await world.manager.waitForState(source.name, 'CONTINUOUS');
    // A new connection, on a link that is slow from its first packet on: buffers of a fast one would stay large.
    await agent.stop();
    await source.shape(linkBitsPerSecond);
    agent.start();
    await world.waitUntilConnected(agent);
  }
  return Promise.all(
    running.map(async ({ trace, source, path }): Promise<ObservedCase> => {
      const endWatch = world.watchLag(source.name);
      const replay = await source.startReplay({ trace, ratio: RATIO, seconds });
      const beganAtSeconds = Date.now() / 1000;
      await replay.waitForEnd((seconds + 120) * 1000);
      return {
        trace,
        linkBitsPerSecond,
        pointIntervalSeconds,
        freezeIntervalSeconds: FREEZE_INTERVAL_SECONDS,
        beganAtSeconds,
        endedAtSeconds: Date.now() / 1000,
        looks: await endWatch(),
        measurement: JSON.parse(readFileSync(path, 'utf8')) as SavedMeasurement,
      };
    }),
  );
}

// What `lms-agent bandwidth` foretells before a machine replicates, against what it has when it replicates over a link of that
// rate. The traces are not those that the model's constants were fitted on (docs/bandwidth.md).

import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { distributionOf } from '@lms/bandwidth-model';
import type { BandwidthReport } from '../../bandwidth/bandwidth-report.ts';
import { ShapedWorld, type LagLook, type ShapedSource } from '../../bandwidth/shaped-world.ts';
import type { Agent } from '../../harness/agent.ts';
import { waitFor } from '../../harness/condition.ts';

const LINK_BITS_PER_SECOND = 12_000_000;
const LIMIT = '12Mbit/s';
const RATIO = 0.5;
const MEASURED_SECONDS = 16;
const REPLAYED_SECONDS = 22;
/** The first points belong to the machine before the replay. */
const SETTLING_SECONDS = 4;
const SETTINGS = ['--point-interval', '3s', '--freeze-interval', '1s'];
/** At half of it compressed, about twelve seconds. */
const COPIED_MEBIBYTES = 32;
const WITHIN = 0.2;

interface Machine {
  readonly trace: string;
  readonly source: ShapedSource;
  readonly foretold: BandwidthReport;
  readonly agent: Agent;
  readonly stateFolder: string;
  readonly measurementPath: string;
}

const TRACES = ['fio-zipf', 'pgbench-tpcb'] as const;
const world = new ShapedWorld();
const machines = new Map<string, Machine>();

function machineOf(trace: string): Machine {
  const machine = machines.get(trace);
  if (machine === undefined) throw new Error(`no machine with ${trace}`);
  return machine;
}

let copied: { readonly foretold: BandwidthReport; readonly agent: Agent } | null = null;

beforeAll(async () => {
  const full = await world.addFullSource('full', COPIED_MEBIBYTES, RATIO);
  const sources: { readonly trace: string; readonly source: ShapedSource; readonly measurementPath: string }[] = [];
  for (const trace of TRACES) {
    const source = await world.addSource(trace, RATIO);
    sources.push({ trace, source, measurementPath: join(world.folder, `${trace}.json`) });
  }
  const measuring = sources.map(async ({ trace, source, measurementPath }) => {
    await source.startReplay({ trace, ratio: RATIO, seconds: MEASURED_SECONDS + 4 });
    const asked = ['--duration', `${MEASURED_SECONDS}s`, '--limit', LIMIT, ...SETTINGS, '--save', measurementPath];
    return source.bandwidth('--disk', source.disk.device, ...asked);
  });
  const copying = full.bandwidth('--disk', full.disk.device, '--duration', '8s', '--limit', LIMIT);
  copying.catch(() => undefined);
  const foretold = Promise.all(measuring);
  foretold.catch(() => undefined); // awaited below, unless the manager does not start
  await world.startManager();
  for (const [index, report] of (await foretold).entries()) {
    const { trace, source, measurementPath } = sources[index] as (typeof sources)[number];
    const agent = await source.startAgent(SETTINGS);
    machines.set(trace, { trace, source, measurementPath, foretold: report, agent, stateFolder: source.stateFolder });
  }
  await full.shape(LINK_BITS_PER_SECOND);
  copied = { foretold: await copying, agent: await full.startAgent([]) };
  for (const { source, agent } of machines.values()) {
    await world.manager.waitForState(source.name, 'CONTINUOUS');
    // What follows is about a link that is slow from its first packet on: buffers of a fast one would stay large.
    await agent.stop();
    await source.shape(LINK_BITS_PER_SECOND);
  }
});

afterAll(async () => {
  expect(await world.cleanup.run()).toEqual([]);
});

test('The path to 1500 is measured with the credentials of an agent, and only answered without', async () => {
  const { source, measurementPath, stateFolder } = machineOf('fio-zipf');
  const measured = await source.bandwidth('--state-dir', stateFolder, '--from', measurementPath);
  expect(measured.link.from).toBe('measured');
  expect(measured.path?.bitsPerSecond ?? 0).toBeGreaterThan(LINK_BITS_PER_SECOND * (1 - WITHIN));
  expect(measured.path?.bitsPerSecond ?? Infinity).toBeLessThan(LINK_BITS_PER_SECOND * (1 + WITHIN));
  const address = ['--address', `${world.managerAddress}:1500`];
  const stranger = await source.bandwidth('--from', measurementPath, ...address);
  expect(stranger).toMatchObject({ link: { bitsPerSecond: null, from: null }, lag: null, converges: null });
  expect(stranger.path?.roundTripMilliseconds).toBeGreaterThan(0);
  expect(stranger.path?.detail).toContain('after enrolment only');
});

test('Lag over a shaped link is what was foretold from the writes alone, within a fifth, for both traces', async () => {
  for (const { agent } of machines.values()) agent.start();
  for (const { agent } of machines.values()) await world.waitUntilConnected(agent);
  const replays = await Promise.all(
    [...machines.values()].map(async ({ trace, source }) => {
      const endWatch = world.watchLag(source.name);
      const replay = await source.startReplay({ trace, ratio: RATIO, seconds: REPLAYED_SECONDS });
      return { trace, replay, endWatch, beganAtSeconds: Date.now() / 1000 };
    }),
  );
  // Beside a running agent, which must not notice.
  const { source, agent } = machineOf('fio-zipf');
  const beside = await source.bandwidth('--disk', source.disk.device, '--duration', '2s');
  expect(beside.endedEarly).toBeNull();
  for (const { trace, replay, endWatch, beganAtSeconds } of replays) {
    await replay.waitForEnd((REPLAYED_SECONDS + 60) * 1000);
    const measured = distributionOf(lagsOf(await endWatch(), beganAtSeconds));
    const { lag, converges } = machineOf(trace).foretold;
    const figures = JSON.stringify({ trace, measured, lag });
    expect(converges).toBe(true);
    expect([trace, within(lag?.typicalSeconds, measured?.p50), figures]).toEqual([trace, true, figures]);
    expect([trace, within(lag?.p95Seconds, measured?.p95), figures]).toEqual([trace, true, figures]);
  }
  expect((await agent.status()).trackerLosses).toBe(0);
});

test('The initial sync over a shaped link takes what was foretold, within a fifth', async () => {
  if (copied === null) throw new Error('nothing was copied');
  const { agent, foretold } = copied;
  const complete = /"seconds":([0-9.]+),[^\n]*"initial sync is complete"/;
  const match = await waitFor('the initial sync to be complete', () => complete.exec(agent.process.log()) ?? undefined);
  const figures = JSON.stringify({ measured: Number(match[1]), foretold: foretold.initialSync });
  expect([within(foretold.initialSync?.seconds ?? undefined, Number(match[1])), figures]).toEqual([true, figures]);
});

test('What the manager knows by now is a plan for the link that both share', async () => {
  // A need is known when there are statistics of half a minute.
  const plan = await waitFor('the need of both', async () => {
    const planned = await world.manager.json<Plan>('bandwidth', 'plan', '--link', '100Mbit/s');
    return planned.machines.every(({ name, needed }) => name === 'full' || needed !== null) && planned;
  });
  expect(plan.converges).toBe(true);
  expect(plan.machines.map(({ name }) => name).toSorted()).toEqual([...TRACES, 'full'].toSorted());
  expect(plan.needed?.averageBitsPerSecond).toBeGreaterThan(1_000_000);
  const tooSlow = await world.manager.json<{ readonly converges: boolean }>('bandwidth', 'plan', '--link', '500kbit/s');
  expect(tooSlow.converges).toBe(false);
});

interface Plan {
  readonly converges: boolean | null;
  readonly needed: { readonly averageBitsPerSecond: number } | null;
  readonly machines: readonly { readonly name: string; readonly needed: object | null }[];
}

/** From the first new point after the settling to the last one: whole saw-teeth, or where a run is cut would decide. */
function lagsOf(looks: readonly LagLook[], beganAtSeconds: number): number[] {
  const from = beganAtSeconds + SETTLING_SECONDS;
  const to = beganAtSeconds + REPLAYED_SECONDS;
  const during = looks.filter(({ atSeconds }) => atSeconds > from && atSeconds < to);
  const isNew = (look: LagLook, index: number): boolean =>
    index > 0 && look.point?.sequence !== during[index - 1]?.point?.sequence;
  const whole = during.slice(during.findIndex(isNew), during.findLastIndex(isNew));
  return whole.flatMap(({ lagSeconds }) => lagSeconds ?? []);
}

function within(foretold: number | undefined, measured: number | undefined): boolean {
  if (foretold === undefined || measured === undefined) return false;
  return Math.abs(foretold / measured - 1) <= WITHIN;
}

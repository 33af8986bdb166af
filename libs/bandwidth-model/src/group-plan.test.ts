import { expect, test } from '@jest/globals';
import { planGroup, type GroupMachine } from './group-plan.ts';
import { machineNeed, type CounterSample } from './machine-need.ts';

const MEGABIT = 1_000_000;

/** A sample every five seconds; `busy` says whether it writes in an interval, 1 MiB a second then. */
function samples(count: number, busy: (index: number) => boolean): CounterSample[] {
  let bytesDirtied = 0;
  let bytesSentWire = 0;
  return Array.from({ length: count }, (_, index) => {
    if (index > 0 && busy(index)) {
      bytesDirtied += 5 * 1024 * 1024;
      bytesSentWire += 2.5 * 1024 * 1024;
    }
    return { atSeconds: index * 5, bytesDirtied, bytesSentWire, bytesRaw: bytesDirtied };
  });
}

const STEADY_MEGABITS = (8 * 1024 * 1024 * 0.5 * 1.05) / MEGABIT;

function machine(name: string, change: Partial<GroupMachine> = {}): GroupMachine {
  return {
    name,
    need: machineNeed(samples(100, () => true)),
    remainingWireBytes: 0,
    limitBitsPerSecond: null,
    ...change,
  };
}

test('a need is what was dirtied, compressed as it was sent, with what frames and headers add', () => {
  const { bitsPerSecond, compressionRatio, measuredSeconds } = machineNeed(samples(100, () => true));
  expect(compressionRatio).toBe(0.5);
  expect(measuredSeconds).toBe(495);
  expect((bitsPerSecond?.average ?? 0) / MEGABIT).toBeCloseTo(STEADY_MEGABITS, 3);
});

test('a counter that begins anew, a gap, and an agent that does not tell, are left out', () => {
  const [first, second, third] = samples(3, () => true) as [CounterSample, CounterSample, CounterSample];
  const restarted = { ...third, bytesDirtied: 0, bytesSentWire: 0, bytesRaw: 0 };
  expect(machineNeed([first, second, restarted]).intervals).toHaveLength(1);
  expect(machineNeed([first, { ...second, atSeconds: 10_000 }]).intervals).toEqual([]);
  expect(machineNeed([first, { ...second, bytesDirtied: null }]).intervals).toEqual([]);
  expect(machineNeed([]).bitsPerSecond).toBeNull();
});

test('peaks that never meet are not added up', () => {
  const even = machine('even', { need: machineNeed(samples(400, (index) => Math.floor(index / 8) % 2 === 0)) });
  const odd = machine('odd', { need: machineNeed(samples(400, (index) => Math.floor(index / 8) % 2 === 1)) });
  const together = planGroup([even, odd], 100 * MEGABIT, 1);
  const peaks = [even, odd].reduce((sum, { need }) => sum + (need.bitsPerSecond?.p95 ?? 0), 0);
  expect(together.needed?.p95).toBeLessThan(peaks * 0.8);
  expect(together.needed?.average).toBeCloseTo((even.need.bitsPerSecond?.average ?? 0) * 2, -5);
});

test('a link that carries all converges; one that does not names the fewest machines to leave out', () => {
  const small = machine('small', { need: machineNeed(samples(100, (index) => index % 4 === 0)) });
  const all = [machine('large'), small];
  expect(planGroup(all, 10 * MEGABIT, 1.25)).toMatchObject({ converges: true, comfortable: true, leaveOut: [] });
  expect(planGroup(all, 2 * MEGABIT, 1.25)).toMatchObject({ converges: false, leaveOut: ['large'] });
});

test('the shortest copy is first, and a continuous machine takes its share from those that follow', () => {
  const plan = planGroup(
    [machine('big', { remainingWireBytes: 10e9 }), machine('little', { remainingWireBytes: 1e9 })],
    20 * MEGABIT,
    1.25,
  );
  const [little, big] = plan.copies;
  expect([little?.name, big?.name]).toEqual(['little', 'big']);
  expect(little?.seconds).toBeCloseTo(8_000 / (20 - STEADY_MEGABITS), 0);
  expect(big?.startsAfterSeconds).toBe(little?.seconds);
  expect(big?.seconds).toBeCloseTo(80_000 / (20 - 2 * STEADY_MEGABITS), 0);
});

test('a copy that nothing is left for never ends, and neither do those behind it', () => {
  const plan = planGroup(
    [machine('first', { remainingWireBytes: 1e9 }), machine('second', { remainingWireBytes: 2e9 })],
    4 * MEGABIT,
    1.25,
  );
  expect(plan.copies.map(({ seconds }) => seconds)).toEqual([null, null]);
});

test('a machine that nothing is known of is named and not counted, and a limit below the need is found', () => {
  const plan = planGroup(
    [machine('new', { need: machineNeed([]) }), machine('held', { limitBitsPerSecond: MEGABIT })],
    100 * MEGABIT,
    1.25,
  );
  expect(plan).toMatchObject({ unknown: ['new'], throttled: ['held'], converges: true });
  expect(planGroup([machine('new', { need: machineNeed([]) })], MEGABIT, 1).converges).toBeNull();
});

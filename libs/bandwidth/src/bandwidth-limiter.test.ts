import { expect, test } from '@jest/globals';
import { MINIMUM_LIMIT_BITS_PER_SECOND, UNLIMITED, type Bandwidth } from '@lms/api';
import fc from 'fast-check';
import { VirtualClock } from '../test/virtual-clock.ts';
import { BandwidthLimiter, type BandwidthShare } from './bandwidth-limiter.ts';

const WINDOW_MILLISECONDS = 10_000;
const START = Date.UTC(2026, 10, 27, 12, 0, 30);

interface Passed {
  readonly atMilliseconds: number;
  readonly bytes: number;
}

function limited(limitBitsPerSecond: number | null): Bandwidth {
  return { ...UNLIMITED, limitBitsPerSecond };
}

/** Sends as much as it may, in pieces of the sizes that are given in turn, until the signal aborts. */
async function sendBacklog(
  share: BandwidthShare,
  clock: VirtualClock,
  pieces: readonly number[],
  signal: AbortSignal,
): Promise<readonly Passed[]> {
  const passed: Passed[] = [];
  for (let index = 0; !signal.aborted; index += 1) {
    const most = share.quantumBytes() ?? 65_536;
    const bytes = Math.max(1, Math.ceil(most * (pieces[index % pieces.length] ?? 1)));
    try {
      await share.take(bytes, signal);
    } catch {
      break;
    }
    passed.push({ atMilliseconds: clock.monotonicMilliseconds(), bytes });
  }
  return passed;
}

function bytesBetween(passed: readonly Passed[], from: number, to: number): number {
  return passed.reduce(
    (sum, { atMilliseconds, bytes }) => (atMilliseconds >= from && atMilliseconds < to ? sum + bytes : sum),
    0,
  );
}

function expectWithinFivePercent(
  passed: readonly Passed[],
  from: number,
  to: number,
  limitBitsPerSecond: number,
): void {
  const expected = (limitBitsPerSecond / 8) * (WINDOW_MILLISECONDS / 1000);
  for (let start = from; start + WINDOW_MILLISECONDS <= to; start += 250) {
    const share = bytesBetween(passed, start, start + WINDOW_MILLISECONDS) / expected;
    expect(share).toBeGreaterThanOrEqual(0.95);
    expect(share).toBeLessThanOrEqual(1.05);
  }
}

const limits = fc.integer({ min: MINIMUM_LIMIT_BITS_PER_SECOND, max: 40_000_000 });
const pieces = fc.array(fc.double({ min: 0.05, max: 1, noNaN: true }), { minLength: 1, maxLength: 5 });
/** What timers of a busy process come late by. */
const lateness = fc.array(fc.integer({ min: 0, max: 250 }), { minLength: 1, maxLength: 7 });

test('in every window of 10 s what passes is within 5 % of the limit, while there is enough to send', async () => {
  await fc.assert(
    fc.asyncProperty(limits, pieces, lateness, async (limitBitsPerSecond, sizes, late) => {
      let timers = 0;
      const clock = new VirtualClock(START, () => late[timers++ % late.length] ?? 0);
      const limiter = new BandwidthLimiter(clock);
      limiter.update(limited(limitBitsPerSecond));
      const stop = new AbortController();
      const sending = sendBacklog(limiter.share(), clock, sizes, stop.signal);
      await clock.pass(25_000);
      stop.abort();
      expectWithinFivePercent(await sending, 0, 25_000, limitBitsPerSecond);
    }),
    { numRuns: 30 },
  );
});

test('a change of the limit, and a boundary of the schedule, hold at once for those who wait already', async () => {
  const clock = new VirtualClock(START);
  const limiter = new BandwidthLimiter(clock);
  limiter.update(limited(MINIMUM_LIMIT_BITS_PER_SECOND));
  const stop = new AbortController();
  const sending = sendBacklog(limiter.share(), clock, [1], stop.signal);
  await clock.pass(12_000);
  const row = { days: ['friday' as const], from: '12:01', to: '12:02', limitBitsPerSecond: 2_000_000 };
  limiter.update({ limitBitsPerSecond: 8_000_000, schedule: [row], timeZone: 'UTC' });
  expect(limiter.inForce()).toEqual({
    limitBitsPerSecond: 8_000_000,
    untilMilliseconds: Date.UTC(2026, 10, 27, 12, 1),
  });
  await clock.pass(60_000);
  stop.abort();
  const passed = await sending;
  expectWithinFivePercent(passed, 0, 12_000, MINIMUM_LIMIT_BITS_PER_SECOND);
  expectWithinFivePercent(passed, 12_000, 30_000, 8_000_000);
  // It is 12:01 by now. A piece of the higher rate may still be on its way.
  expectWithinFivePercent(passed, 30_000 + 500, 72_000, 2_000_000);
  expect(limiter.inForce().limitBitsPerSecond).toBe(2_000_000);
});

test('taking the limit away lets everybody through at once', async () => {
  const clock = new VirtualClock(START);
  const limiter = new BandwidthLimiter(clock);
  limiter.update(limited(MINIMUM_LIMIT_BITS_PER_SECOND));
  const { signal } = new AbortController();
  const waiting = Promise.all([1, 2, 3].map(() => limiter.share().take(1_000_000, signal)));
  await clock.pass(1);
  limiter.update(UNLIMITED);
  await waiting;
  expect(limiter.share().quantumBytes()).toBe(null);
  expect(clock.monotonicMilliseconds()).toBe(1);
});

test('who gives up is taken out, and the others go on', async () => {
  const clock = new VirtualClock(START);
  const limiter = new BandwidthLimiter(clock);
  limiter.update(limited(MINIMUM_LIMIT_BITS_PER_SECOND));
  const { signal } = new AbortController();
  await limiter.share().take(64_000, signal);
  const leaving = new AbortController();
  const left = limiter.share().take(1_000_000, leaving.signal);
  const stayed = limiter.share().take(1, signal);
  leaving.abort(new Error('gone'));
  await expect(left).rejects.toThrow('gone');
  await clock.pass(2_100);
  await stayed;
});

test('bytes that could not wait are paid for by those behind them', async () => {
  const clock = new VirtualClock(START);
  const limiter = new BandwidthLimiter(clock);
  limiter.update(limited(MINIMUM_LIMIT_BITS_PER_SECOND));
  const share = limiter.share();
  share.charge(96_000);
  const behind = share.take(1, new AbortController().signal).then(() => clock.monotonicMilliseconds());
  await clock.pass(5_000);
  // 96,000 bytes are 3 s at 256 kbit/s, less what was saved up before.
  expect(await behind).toBeGreaterThanOrEqual(2_700);
  expect(await behind).toBeLessThanOrEqual(3_001);
});

const LIMIT_OF_ALL = 4_000_000;

async function sendTogether(
  sizes: readonly (readonly number[])[],
  late: readonly number[],
): Promise<readonly (readonly Passed[])[]> {
  let timers = 0;
  const clock = new VirtualClock(START, () => late[timers++ % late.length] ?? 0);
  const limiter = new BandwidthLimiter(clock);
  limiter.update(limited(LIMIT_OF_ALL));
  const stop = new AbortController();
  const sending = sizes.map((own) => sendBacklog(limiter.share(), clock, own, stop.signal));
  await clock.pass(12_000);
  stop.abort();
  return Promise.all(sending);
}

function expectFair(passed: readonly (readonly Passed[])[]): void {
  const totals = passed.map((own) => bytesBetween(own, 0, 12_000));
  expect(Math.max(...totals) - Math.min(...totals)).toBeLessThanOrEqual(2 * (LIMIT_OF_ALL / 8) * 0.05);
  expectWithinFivePercent(passed.flat(), 0, 12_000, LIMIT_OF_ALL);
}

test('all who send share the limit equally, whatever the sizes of their pieces, and together they keep it', async () => {
  const sizes = fc.array(pieces, { minLength: 2, maxLength: 6 });
  await fc.assert(
    fc.asyncProperty(sizes, async (all) => expectFair(await sendTogether(all, [0]))),
    { numRuns: 20 },
  );
});

test('they do so also when timers come late and much is let through at once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 2, max: 6 }), lateness, async (count, late) => {
      expectFair(
        await sendTogether(
          Array.from({ length: count }, () => [1]),
          late,
        ),
      );
    }),
    { numRuns: 20 },
  );
});

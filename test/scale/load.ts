// A load in a closed loop (each of so many callers asks again when it was answered), and what it cost each process.

import process from 'node:process';
import { cpuSeconds } from '../bench/meter.ts';
import { quantile } from '../bench/results.ts';

export interface Load {
  readonly seconds: number;
  readonly concurrency: number;
  /** `index` counts from 0 over all callers. */
  readonly ask: (index: number) => Promise<void>;
  /** Whose processor time is told, by name. */
  readonly processes: ReadonlyMap<string, number>;
}

export interface LoadResult {
  readonly count: number;
  readonly perSecond: number;
  readonly p50Milliseconds: number;
  readonly p99Milliseconds: number;
  /** Of each process, for one request. */
  readonly cpuMilliseconds: ReadonlyMap<string, number>;
  /** Of this process, which makes the load: not a part of what is measured, but it takes from the same processors. */
  readonly ownCpuMilliseconds: number;
}

export async function runLoad({ seconds, concurrency, ask, processes }: Load): Promise<LoadResult> {
  const before = cpuOf(processes);
  const ownBefore = process.cpuUsage();
  const startedAt = performance.now();
  const endAt = startedAt + seconds * 1_000;
  const latencies: number[] = [];
  let next = 0;
  const caller = async (): Promise<void> => {
    while (performance.now() < endAt) {
      const askedAt = performance.now();
      await ask(next++);
      latencies.push(performance.now() - askedAt);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, caller));
  const tookSeconds = (performance.now() - startedAt) / 1_000;
  const after = cpuOf(processes);
  const own = process.cpuUsage(ownBefore);
  const count = latencies.length;
  return {
    count,
    perSecond: count / tookSeconds,
    p50Milliseconds: quantile(latencies, 0.5),
    p99Milliseconds: quantile(latencies, 0.99),
    cpuMilliseconds: new Map(
      [...after].map(([name, cpu]) => [name, ((cpu - (before.get(name) ?? 0)) * 1_000) / count]),
    ),
    ownCpuMilliseconds: (own.user + own.system) / 1_000 / count,
  };
}

function cpuOf(processes: ReadonlyMap<string, number>): ReadonlyMap<string, number> {
  return new Map([...processes].map(([name, pid]) => [name, cpuSeconds(pid)]));
}

import { expect, test } from '@jest/globals';
import type { ReadyReport } from '@lms/api';
import { LmsError } from '@lms/errors';
import { createLogger } from '@lms/telemetry';
import { keepReady } from './ready-reports.ts';

const logger = createLogger('test', { destination: { write: () => undefined } });

/** Runs until so many reports were taken; the addresses of the host change with each look. */
async function reportsOf(count: number, looks: readonly (readonly string[])[], failing = 0): Promise<ReadyReport[]> {
  const stop = new AbortController();
  const taken: ReadyReport[] = [];
  let failures = failing;
  let look = 0;
  const api = {
    ready: (report: ReadyReport) => {
      if (failures-- > 0) return Promise.reject(new LmsError('UNAVAILABLE', 'away'));
      taken.push(report);
      if (taken.length === count) stop.abort();
      return Promise.resolve();
    },
  };
  const addresses = (): readonly string[] => looks[Math.min(look++, looks.length - 1)] ?? [];
  const where = { address: '198.18.2.2', port: 1500, version: '1' };
  await keepReady({ api, dataFolder: '/', where, logger, addresses, lookEveryMilliseconds: 10 }, stop.signal);
  return taken;
}

test('another address of the host is told at once, and the same one is not told again', async () => {
  const taken = await reportsOf(2, [['198.18.2.2'], ['198.18.2.2'], ['198.18.2.3']]);
  expect(taken.map(({ interfaceAddresses }) => interfaceAddresses)).toEqual([['198.18.2.2'], ['198.18.2.3']]);
  expect(taken[0]).toMatchObject({ address: '198.18.2.2', port: 1500, pid: process.pid, at: expect.any(String) });
});

test('a report that was not taken is repeated', async () => {
  expect(await reportsOf(1, [['198.18.2.2']], 1)).toHaveLength(1);
});

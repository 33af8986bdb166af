import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import type { LmsError } from '@lms/errors';
import { waitFor } from '../../../../test/harness/condition.ts';
import { createMemoryStore } from '../../test/memory-store.ts';
import type { StagedPoint, StagingStore } from '../store/staging-store.ts';
import { ExportHolds } from './export-holds.ts';

const DISK = { machineId: 'm', sequence: 3, checkpointId: 'c-3', diskId: 'd' };

let folder: string;
const opened: ExportHolds[] = [];
let failures: LmsError[];
let uses: number;
let checkpointId: string;
let store: StagingStore;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lms-holds-'));
  failures = [];
  uses = 0;
  checkpointId = DISK.checkpointId;
  store = {
    ...createMemoryStore(),
    points: () => [{ sequence: 3, checkpointId } as StagedPoint],
    keepPoint: () => {
      uses += 1;
      let used = true;
      return () => {
        if (used) uses -= 1;
        used = false;
      };
    },
  };
});
afterEach(async () => {
  for (const holds of opened.splice(0)) {
    holds[Symbol.dispose]();
    await holds.idle();
  }
  rmSync(folder, { recursive: true });
});

function open(holdMilliseconds = 3_600_000, file = join(folder, 'exports.json')): ExportHolds {
  const holds = new ExportHolds({ file, holdMilliseconds, onFailure: (error) => failures.push(error) });
  opened.push(holds);
  return holds;
}

/** As the process after this one. */
async function reopen(holdMilliseconds?: number): Promise<ExportHolds> {
  const next = open(holdMilliseconds);
  await next.load();
  uses = 0;
  next.attach('m', store);
  return next;
}

test('a point is kept while parts are sent, after one that broke off, and no longer', async () => {
  const holds = open();
  const first = await holds.begin(store, DISK);
  const second = await holds.begin(store, DISK);
  first(false);
  expect(uses).toBe(1);
  second(false);
  expect(uses).toBe(0);
  (await holds.begin(store, DISK))(true);
  expect(uses).toBe(1);
  // The end of another part of it does not end the wait for the one that broke off.
  (await holds.begin(store, DISK))(false);
  expect(uses).toBe(1);
  holds.release('m', 3);
  expect(uses).toBe(0);
});

test('the wait for one that broke off ends by itself', async () => {
  const holds = open(30);
  (await holds.begin(store, DISK))(true);
  await waitFor('the point to be let go', () => uses === 0, { pollMilliseconds: 5 });
  await holds.idle();
  expect(JSON.parse(readFileSync(join(folder, 'exports.json'), 'utf8'))).toEqual({ holds: [] });
});

test('the next process keeps what was under way or had broken off, and nothing that ended', async () => {
  const holds = open();
  await holds.begin(store, DISK);
  (await holds.begin(store, { ...DISK, diskId: 'broken' }))(true);
  (await holds.begin(store, { ...DISK, diskId: 'whole' }))(false);
  await holds.idle();
  const next = await reopen();
  expect(uses).toBe(2);
  next.release('m', 3);
  expect(uses).toBe(0);
});

test('of a machine that was removed nothing is held, also by the next process', async () => {
  const holds = open();
  (await holds.begin(store, DISK))(true);
  (await holds.begin(store, { ...DISK, machineId: 'other' }))(true);
  holds.forget('m');
  await holds.idle();
  expect(readFileSync(join(folder, 'exports.json'), 'utf8')).not.toContain('"m"');
  expect(uses).toBe(1);
  await reopen();
  expect(uses).toBe(0);
});

test('a point that is gone, or another one under its number, is not kept', async () => {
  const holds = open();
  await holds.begin(store, DISK);
  checkpointId = 'another';
  await reopen();
  expect(uses).toBe(0);
});

test('holds are bounded: those that broke off first are let go', async () => {
  const holds = open();
  for (let index = 0; index < 70; index += 1) (await holds.begin(store, { ...DISK, diskId: `d-${index}` }))(true);
  expect(uses).toBe(64);
});

test('a file that is damaged, or cannot be written, is told and ends nothing', async () => {
  writeFileSync(join(folder, 'exports.json'), '{');
  const holds = open();
  await holds.load();
  expect(failures).toHaveLength(1);
  const missing = open(1_000, join(folder, 'no/exports.json'));
  (await missing.begin(store, DISK))(false);
  await missing.idle();
  expect(failures.length).toBeGreaterThan(1);
});

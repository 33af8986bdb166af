import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { LmsError } from '@lms/errors';
import { createLogger } from '@lms/telemetry';
import { StagingRemoval } from './staging-removal.ts';

const GOES = 'm-00000000000000000001';
const STAYS = 'm-00000000000000000002';

let root = '';
let machinesFolder = '';
let fencingFolder = '';
let inUse = false;
let assigned: ReadonlySet<string>;
let steps: string[];
let lines: string[];
let stop: AbortController;
let running: Promise<void>;
let removal: StagingRemoval;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'lms-removal-'));
  machinesFolder = join(root, 'machines');
  fencingFolder = join(root, 'fencing');
  mkdirSync(fencingFolder, { recursive: true });
  for (const machineId of [GOES, STAYS]) fill(machineId);
  inUse = false;
  assigned = new Set([STAYS]);
  steps = [];
  lines = [];
  stop = new AbortController();
  running = Promise.resolve();
  removal = create();
});

afterEach(async () => {
  stop.abort();
  await running;
  rmSync(root, { recursive: true });
});

function fill(name: string): void {
  mkdirSync(join(machinesFolder, name, 'points/1'), { recursive: true });
  writeFileSync(join(machinesFolder, name, 'points/1/manifest.json'), '{}');
  if (name.startsWith('m-')) writeFileSync(join(fencingFolder, name), '1\n');
}

function create(release?: (machineId: string) => Promise<boolean>): StagingRemoval {
  return new StagingRemoval({
    folder: { machinesFolder, fencingFolder, machineFolder: (machineId) => join(machinesFolder, machineId) },
    isAssigned: (machineId) => assigned.has(machineId),
    release:
      release ??
      ((machineId) => {
        steps.push(`release ${machineId} ${readdirSync(machinesFolder).includes(machineId)}`);
        return Promise.resolve(!inUse);
      }),
    onRemoved: () => undefined,
    logger: createLogger('test', { destination: { write: (line) => lines.push(line) } }),
  });
}

function run(): void {
  running = removal.run(stop.signal);
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

const names = (): string[] => readdirSync(machinesFolder).sort();

test('the store is closed, then the folder is put aside, then deleted; the others keep theirs', async () => {
  await removal.take([GOES]);
  expect(steps).toEqual([`release ${GOES} true`]);
  expect(names()).toEqual([expect.stringMatching(`^\\.removed-${GOES}-[0-9a-f]{8}$`), STAYS]);
  expect(readdirSync(fencingFolder)).toEqual([STAYS]);
  run();
  await until(() => names().length === 1);
  expect(names()).toEqual([STAYS]);
});

test('what an earlier process had put aside is deleted at the start, and nothing that only looks like it', async () => {
  fill(`.removed-${GOES}-0123abcd`);
  fill('.removed-by-hand');
  run();
  await until(() => names().length === 3);
  expect(names()).toEqual(['.removed-by-hand', GOES, STAYS]);
});

test('while a point is in use nothing is touched, which is said once; it goes when nobody reads any more', async () => {
  inUse = true;
  await removal.take([GOES]);
  run();
  expect(names()).toEqual([GOES, STAYS]);
  expect([...removal.waiting]).toEqual([GOES]);
  await until(() => steps.length >= 3);
  expect(lines.filter((line) => line.includes('in use'))).toHaveLength(1);
  inUse = false;
  await until(() => names().length === 1);
  expect([...removal.waiting]).toEqual([]);
});

test('a machine that is assigned is never removed, and one that was assigned again in the meantime is kept', async () => {
  await removal.take([STAYS]);
  expect(names()).toEqual([GOES, STAYS]);
  inUse = true;
  await removal.take([GOES]);
  await removal.take([]);
  inUse = false;
  run();
  await until(() => removal.waiting.size === 0);
  expect(names()).toEqual([GOES, STAYS]);
});

test('what is no machine id becomes no path; a machine without a folder leaves nothing either', async () => {
  rmSync(join(machinesFolder, GOES), { recursive: true });
  await removal.take(['../machines', '.', '', GOES]);
  expect(names()).toEqual([STAYS]);
  expect(readdirSync(fencingFolder)).toEqual([STAYS]);
});

test('links are removed and not followed', async () => {
  writeFileSync(join(root, 'precious'), 'x');
  mkdirSync(join(root, 'elsewhere'));
  writeFileSync(join(root, 'elsewhere/precious'), 'x');
  symlinkSync(join(root, 'precious'), join(machinesFolder, GOES, 'file'));
  symlinkSync(join(root, 'elsewhere'), join(machinesFolder, GOES, 'folder'));
  await removal.take([GOES]);
  run();
  await until(() => names().length === 1);
  expect(readdirSync(root).sort()).toEqual(['elsewhere', 'fencing', 'machines', 'precious']);
  expect(readdirSync(join(root, 'elsewhere'))).toEqual(['precious']);
});

test('what fails is tried again, and the others do not wait for it', async () => {
  let fails = true;
  removal = create((machineId) => {
    if (machineId === STAYS && fails) return Promise.reject(new LmsError('INTERNAL', 'the store does not close'));
    return Promise.resolve(true);
  });
  assigned = new Set();
  await removal.take([STAYS, GOES]);
  run();
  await until(() => names().length === 1);
  expect(names()).toEqual([STAYS]);
  fails = false;
  await until(() => names().length === 0);
});

/** Ctrl-C in `make demo`, as a terminal sends it: to every process of the foreground group, at any moment, also twice. */
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { requireCommand } from '../harness/command.ts';
import { waitFor } from '../harness/condition.ts';

const DEMO = resolve(import.meta.dirname, '../../scripts/demo/main.ts');
const LIMIT_MILLISECONDS = 240_000;
const LIMIT = { timeoutMilliseconds: LIMIT_MILLISECONDS / 2 };

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'lms-interrupted-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

/** Names of all trace instances: seen by a tracefs that is mounted for this look only. */
async function traceInstances(): Promise<readonly string[]> {
  const mountPoint = mkdtempSync(join(tmpdir(), 'lms-tracefs-'));
  try {
    await requireCommand('mount', ['-t', 'tracefs', 'tracefs', mountPoint]);
    try {
      return readdirSync(join(mountPoint, 'instances')).sort();
    } finally {
      await requireCommand('umount', [mountPoint]);
    }
  } finally {
    rmdirSync(mountPoint);
  }
}

/** Command lines and environments of living processes that name the folder. */
function processesOf(path: string): readonly string[] {
  const found: string[] = [];
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    if (Number(pid) === process.pid) continue;
    try {
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
      if (commandLine.includes(path) || environment.includes(path)) found.push(`${pid} ${commandLine}`);
    } catch {
      // It has ended meanwhile.
    }
  }
  return found;
}

async function leftOf(path: string): Promise<Record<string, readonly string[]>> {
  const about = (text: string): readonly string[] => text.split('\n').filter((line) => line.includes(path));
  return {
    processes: processesOf(path),
    mounts: about(readFileSync('/proc/self/mounts', 'utf8')),
    loopDevices: about(await requireCommand('losetup', ['--list', '--noheadings', '--output', 'NAME,BACK-FILE'])),
    files: readdirSync(path),
  };
}

test.each([
  { moment: 'the disk is being made', line: 'A source machine:', times: 1 },
  { moment: 'the manager is starting', line: 'lms manager:', times: 1 },
  { moment: 'the agent is enrolling', line: 'lms-agent enrol', times: 1 },
  { moment: 'the initial sync is under way', line: 'INITIAL_SYNC', times: 2 },
  { moment: 'a point is being made', line: 'lms point create', times: 1 },
  { moment: 'a point is being exported', line: 'point 2: filesystem', times: 1 },
])(
  'Ctrl-C while $moment leaves nothing behind',
  async ({ line, times }) => {
    const before = await traceInstances();
    const demo = spawn(process.execPath, [DEMO], {
      detached: true, // a group of its own, as a shell gives a foreground job
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, TMPDIR: folder },
    });
    const exit = once(demo, 'exit') as Promise<[number | null, NodeJS.Signals | null]>;
    let ended = false;
    void exit.then(() => (ended = true));
    let said = '';
    for (const stream of [demo.stdout, demo.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
    try {
      await waitFor(line, () => said.includes(line) || ended, LIMIT);
      for (let time = 0; time < times; time++) process.kill(-Number(demo.pid), 'SIGINT');
      const [code] = await exit;
      expect(said).toContain('Nothing is left');
      expect(code).toBe(130);
      expect(await leftOf(folder)).toEqual({ processes: [], mounts: [], loopDevices: [], files: [] });
      expect(await traceInstances()).toEqual(before);
    } finally {
      if (!ended) {
        demo.kill('SIGTERM');
        await exit;
      }
    }
  },
  LIMIT_MILLISECONDS,
);

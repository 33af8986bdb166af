import { afterEach, expect, test } from '@jest/globals';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { tryLockFile } from './lock.ts';

const folders: string[] = [];

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true });
});

function lockPath(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lms-lock-'));
  folders.push(folder);
  return join(folder, 'lock');
}

test('a second holder is refused and told the pid of the first', () => {
  const path = lockPath();
  const first = tryLockFile(path);
  if (!first.held) throw new Error('the first attempt must hold the lock');
  expect(tryLockFile(path)).toEqual({ held: false, holder: process.pid });
  first.lock.release();
  const third = tryLockFile(path);
  expect(third.held).toBe(true);
  if (third.held) third.lock.release();
});

test('a lock ends with its process, also when that is killed', async () => {
  const path = lockPath();
  const source = `const { tryLockFile } = await import(${JSON.stringify(new URL('./lock.ts', import.meta.url).href)});
    process.stdout.write(String(tryLockFile(${JSON.stringify(path)}).held)); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [answer] = (await once(child.stdout, 'data')) as [Buffer];
    expect(answer.toString()).toBe('true');
    expect(tryLockFile(path)).toEqual({ held: false, holder: child.pid });
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  const mine = tryLockFile(path);
  expect(mine.held).toBe(true);
  if (mine.held) mine.lock.release();
});

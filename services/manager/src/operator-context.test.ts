import { expect, test } from '@jest/globals';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensureOperatorContext } from './operator-context.ts';

async function inFolder(work: (file: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'lms-test-'));
  try {
    await work(join(folder, 'operator.json'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

test('the API token is made once, readable by its owner alone, and survives another address', () =>
  inFolder(async (file) => {
    const first = await ensureOperatorContext(file, 'https://127.0.0.1:8443', 'CA');
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    const second = await ensureOperatorContext(file, 'https://127.0.0.1:9443', 'CA');
    expect(second.apiToken).toBe(first.apiToken);
    expect(JSON.parse(await readFile(file, 'utf8'))).toEqual(second);
  }));

test('a damaged context is said so, and left as it is', () =>
  inFolder(async (file) => {
    await writeFile(file, '{');
    await expect(ensureOperatorContext(file, 'https://127.0.0.1:8443', 'CA')).rejects.toMatchObject({
      code: 'DATA_LOSS',
    });
    expect(await readFile(file, 'utf8')).toBe('{');
  }));

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { exitCodeOf } from '@lms/command-line';
import { readContext } from './context.ts';

const folder = mkdtempSync(join(tmpdir(), 'lms-context-'));
afterAll(() => rmSync(folder, { recursive: true }));

async function exitOf(path: string | undefined): Promise<number> {
  return readContext(path).then(() => 0, exitCodeOf);
}

test('no context, one that is missing and one that is none are exit 6', async () => {
  const wrong = join(folder, 'wrong.json');
  writeFileSync(wrong, '{"managerUrl":"http://plain","apiToken":"t","caPem":null}');
  const broken = join(folder, 'broken.json');
  writeFileSync(broken, '{');
  for (const path of [undefined, '', join(folder, 'missing.json'), wrong, broken]) expect(await exitOf(path)).toBe(6);
});

test('a context is manager, CA and API token', async () => {
  const path = join(folder, 'operator.json');
  const context = { managerUrl: 'https://127.0.0.1:8443', caPem: 'PEM', apiToken: 'secret' };
  writeFileSync(path, JSON.stringify(context));
  expect(await readContext(path)).toEqual(context);
});

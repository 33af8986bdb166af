import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { exitCodeOf } from '@lms/command-line';
import { ImageFile } from './image-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'lms-image-'));
afterAll(() => rmSync(folder, { recursive: true }));

const content = Buffer.concat([Buffer.alloc(100_000), Buffer.alloc(50_000, 9)]);

async function write(file: ImageFile): Promise<void> {
  await file.begin(content.length);
  await file.append(content);
  await file.end();
}

test('the file appears when it is published, with the digest of what was written', async () => {
  const path = join(folder, 'published');
  const file = await ImageFile.create(path, { replace: false });
  await write(file);
  expect(existsSync(path)).toBe(false);
  await file.publish();
  await file.discard();
  expect(readFileSync(path).equals(content)).toBe(true);
  expect(file.sha256()).toBe(createHash('sha256').update(content).digest('hex'));
  expect(existsSync(`${path}.tmp`)).toBe(false);
});

test('an export that is given up leaves neither the file nor its beginning', async () => {
  const path = join(folder, 'discarded');
  const file = await ImageFile.create(path, { replace: false });
  await write(file);
  await file.discard();
  await file.discard();
  expect(existsSync(path) || existsSync(`${path}.tmp`)).toBe(false);
});

test('an existing file is refused with exit 1, and replaced when that was asked for', async () => {
  const path = join(folder, 'existing');
  writeFileSync(path, 'precious');
  const refusal = await ImageFile.create(path, { replace: false }).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(exitCodeOf(refusal)).toBe(1);
  expect(readFileSync(path, 'utf8')).toBe('precious');
  expect(existsSync(`${path}.tmp`)).toBe(false);
  const file = await ImageFile.create(path, { replace: true });
  await write(file);
  await file.publish();
  expect(readFileSync(path).equals(content)).toBe(true);
});

test('a file that appeared during the export is not replaced', async () => {
  const path = join(folder, 'raced');
  const file = await ImageFile.create(path, { replace: false });
  await write(file);
  writeFileSync(path, 'precious');
  await expect(file.publish()).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await file.discard();
  expect(readFileSync(path, 'utf8')).toBe('precious');
  expect(existsSync(`${path}.tmp`)).toBe(false);
});

test('two exports to one file: the second is refused while the first writes', async () => {
  const path = join(folder, 'twice');
  const first = await ImageFile.create(path, { replace: false });
  await expect(ImageFile.create(path, { replace: false })).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  await write(first);
  await first.publish();
  expect(readFileSync(path).equals(content)).toBe(true);
});

test('what a killed export left behind is taken over', async () => {
  const path = join(folder, 'leftover');
  writeFileSync(`${path}.tmp`, Buffer.alloc(400_000, 1));
  const file = await ImageFile.create(path, { replace: false });
  await write(file);
  await file.publish();
  expect(readFileSync(path).equals(content)).toBe(true);
});

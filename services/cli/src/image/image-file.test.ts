import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from '@jest/globals';
import { exitCodeOf } from '@lms/command-line';
import { ImageFile } from './image-file.ts';

const folder = mkdtempSync(join(tmpdir(), 'lms-image-'));
afterAll(() => rmSync(folder, { recursive: true }));

const MEBIBYTE = 1024 * 1024;
const content = Buffer.concat([Buffer.alloc(100_000), Buffer.alloc(50_000, 9), randomBytes(3 * MEBIBYTE)]);

const ANEW = { replace: false, resume: false };
const RESUMED = { replace: false, resume: true };
const { signal } = new AbortController();
const nothing = (): void => undefined;
const identity = (etag = '"one"') => ({ machine: 'web', sequence: 3, diskId: 'd', etag, sizeBytes: content.length });

async function write(file: ImageFile): Promise<void> {
  await file.begin(identity(), signal, nothing);
  await file.append(content);
  await file.end();
}

test('the file appears when it is published, with the digest of what was written', async () => {
  const path = join(folder, 'published');
  const file = await ImageFile.create(path, ANEW);
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
  const file = await ImageFile.create(path, ANEW);
  await write(file);
  await file.discard();
  await file.discard();
  expect(existsSync(path) || existsSync(`${path}.tmp`)).toBe(false);
});

test('an existing file is refused with exit 1, and replaced when that was asked for', async () => {
  const path = join(folder, 'existing');
  writeFileSync(path, 'precious');
  const refusal = await ImageFile.create(path, ANEW).then(
    () => null,
    (thrown: unknown) => thrown,
  );
  expect(exitCodeOf(refusal)).toBe(1);
  expect(readFileSync(path, 'utf8')).toBe('precious');
  expect(existsSync(`${path}.tmp`)).toBe(false);
  const file = await ImageFile.create(path, { replace: true, resume: false });
  await write(file);
  await file.publish();
  expect(readFileSync(path).equals(content)).toBe(true);
});

test('a file that appeared during the export is not replaced', async () => {
  const path = join(folder, 'raced');
  const file = await ImageFile.create(path, ANEW);
  await write(file);
  writeFileSync(path, 'precious');
  await expect(file.publish()).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await file.discard();
  expect(readFileSync(path, 'utf8')).toBe('precious');
  expect(existsSync(`${path}.tmp`)).toBe(false);
});

test('two exports to one file: the second is refused while the first writes', async () => {
  const path = join(folder, 'twice');
  const first = await ImageFile.create(path, ANEW);
  await expect(ImageFile.create(path, ANEW)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  await write(first);
  await first.publish();
  expect(readFileSync(path).equals(content)).toBe(true);
});

test('what a killed export left behind is taken over', async () => {
  const path = join(folder, 'leftover');
  writeFileSync(`${path}.tmp`, Buffer.alloc(400_000, 1));
  const file = await ImageFile.create(path, ANEW);
  await write(file);
  await file.publish();
  expect(readFileSync(path).equals(content)).toBe(true);
});

/** What a run leaves that was ended after `lengthBytes`. */
async function begun(name: string, lengthBytes: number): Promise<string> {
  const path = join(folder, name);
  const file = await ImageFile.create(path, RESUMED);
  await file.begin(identity(), signal, nothing);
  await file.append(content.subarray(0, lengthBytes));
  await file.leave();
  return path;
}

test('what was left is gone on with, wherever it ended, and comes to the same file and digest', async () => {
  for (const lengthBytes of [1, MEBIBYTE, MEBIBYTE + 5, 2 * MEBIBYTE + 70_000, content.length]) {
    const path = await begun(`resumed-${lengthBytes}`, lengthBytes);
    const file = await ImageFile.create(path, RESUMED);
    const read: number[] = [];
    await file.begin(identity(), signal, (bytes) => read.push(bytes));
    expect(file.lengthBytes).toBe(Math.floor(lengthBytes / MEBIBYTE) * MEBIBYTE);
    expect(read.at(-1) ?? 0).toBe(file.lengthBytes);
    await file.append(content.subarray(file.lengthBytes));
    await file.end();
    expect(file.sha256()).toBe(createHash('sha256').update(content).digest('hex'));
    await file.publish();
    expect(readFileSync(path).equals(content)).toBe(true);
    expect(readdirSync(folder).filter((name) => name.includes('.tmp'))).toEqual([]);
  }
});

test('what lies behind the durable part, whatever it is, does not get into the file', async () => {
  const path = await begun('torn', MEBIBYTE + 5);
  const torn = readFileSync(`${path}.tmp`).fill(0xee, MEBIBYTE);
  writeFileSync(`${path}.tmp`, torn);
  const file = await ImageFile.create(path, RESUMED);
  await file.begin({ ...identity(), sizeBytes: content.length }, signal, nothing);
  await file.append(Buffer.alloc(content.length - MEBIBYTE));
  await file.end();
  await file.publish();
  expect(
    readFileSync(path)
      .subarray(MEBIBYTE)
      .equals(Buffer.alloc(content.length - MEBIBYTE)),
  ).toBe(true);
});

test('other content, or a beginning of which nobody knows what it is, is refused with exit 1 and stays', async () => {
  const path = await begun('foreign', 2 * MEBIBYTE);
  const before = readFileSync(`${path}.tmp`);
  const other = await ImageFile.create(path, RESUMED);
  const refusal = await other.begin(identity('"other"'), signal, nothing).catch((thrown: unknown) => thrown);
  expect(exitCodeOf(refusal)).toBe(1);
  await other.leave();
  rmSync(`${path}.tmp.json`);
  const unknown = await ImageFile.create(path, RESUMED);
  await expect(unknown.begin(identity(), signal, nothing)).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await unknown.discard();
  expect(readFileSync(`${path}.tmp`).equals(before)).toBe(true);
});

test('without resume what was left is replaced, and where the export never begins it stays', async () => {
  const path = await begun('replaced', 2 * MEBIBYTE);
  const idle = await ImageFile.create(path, ANEW);
  await idle.discard();
  expect(existsSync(`${path}.tmp`) && existsSync(`${path}.tmp.json`)).toBe(true);
  const file = await ImageFile.create(path, ANEW);
  await write(file);
  await file.publish();
  expect(readFileSync(path).equals(content)).toBe(true);
});

test('a beginning without a byte leaves nothing', async () => {
  const path = await begun('empty', 0);
  expect(existsSync(`${path}.tmp`) || existsSync(`${path}.tmp.json`)).toBe(false);
});

/**
 * Small JSON records that are replaced as a whole (R14: tmp → fsync → rename → fsync of the folder, which is the
 * caller's). A record ends with the SHA-256 of its JSON, so that rot is told from content.
 */
import { createHash } from 'node:crypto';
import { LmsError } from '@lms/errors';
import type { z } from 'zod';
import type { StoreFileSystem } from '../store-file-system.ts';
import type { SyncStep } from '../sync-steps.ts';

export const TEMPORARY_SUFFIX = '.tmp';

export async function writeRecord(files: StoreFileSystem, path: string, value: object, step: SyncStep): Promise<void> {
  const json = JSON.stringify(value);
  const file = await files.create(path);
  try {
    await file.write(0, Buffer.from(`${json}\n${checksum(json)}\n`));
    await file.sync(step);
  } finally {
    await file.close();
  }
}

/** Durable after `syncFolder` of the record's folder. */
export async function replaceRecord(
  files: StoreFileSystem,
  path: string,
  value: object,
  step: SyncStep,
): Promise<void> {
  await writeRecord(files, `${path}${TEMPORARY_SUFFIX}`, value, step);
  await files.rename(`${path}${TEMPORARY_SUFFIX}`, path);
}

/** Null when there is none; DATA_LOSS when it is not what was written. */
export async function readRecord<Schema extends z.ZodType>(
  files: StoreFileSystem,
  path: string,
  schema: Schema,
): Promise<z.infer<Schema> | null> {
  if (!(await files.exists(path))) return null;
  const [json = '', sum] = Buffer.from(await files.readWhole(path))
    .toString('utf8')
    .split('\n');
  if (sum !== checksum(json)) throw damaged(path, 'its checksum does not match');
  const parsed = schema.safeParse(JSON.parse(json));
  if (!parsed.success) throw damaged(path, parsed.error.issues[0]?.message ?? 'unknown content');
  return parsed.data;
}

function checksum(json: string): string {
  return createHash('sha256').update(json).digest('hex');
}

function damaged(path: string, why: string): LmsError {
  return new LmsError('DATA_LOSS', `The staging record ${path} cannot be read: ${why}`, {
    action: 'Restore the file, or remove the machine’s staging folder to replicate it anew',
  });
}

/**
 * `FILE.tmp.json`, beside the beginning of an export: of which bytes it is, and how many of them are on the disk.
 *
 * Its number counts only what was flushed before it was written, so what a kill or a power loss leaves is never more than
 * the file holds. Downside: a little of what came last is loaded again.
 */
import { open, readFile, rename, rm } from 'node:fs/promises';
import { withExit } from '@lms/command-line';
import { z } from 'zod';

const PartialRecord = z.object({
  version: z.literal(1),
  /** For people; `etag` decides. */
  machine: z.string(),
  sequence: z.int(),
  diskId: z.string(),
  etag: z.string(),
  sizeBytes: z.int().nonnegative(),
  /** From the beginning of the file on, all of them. */
  durableBytes: z.int().nonnegative(),
});
export type PartialRecord = Readonly<z.infer<typeof PartialRecord>>;

export function recordPath(temporary: string): string {
  return `${temporary}.json`;
}

/** Null where there is none that can be read. */
export async function readRecord(temporary: string): Promise<PartialRecord | null> {
  let text: string;
  try {
    text = await readFile(recordPath(temporary), 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw withExit('failed', thrown, `cannot read ${recordPath(temporary)}`);
  }
  try {
    return PartialRecord.parse(JSON.parse(text));
  } catch {
    return null;
  }
}

export async function writeRecord(temporary: string, record: PartialRecord): Promise<void> {
  const path = recordPath(temporary);
  const file = await open(`${path}.new`, 'w', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(record)}\n`);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(`${path}.new`, path);
}

export async function removeRecord(temporary: string): Promise<void> {
  await rm(recordPath(temporary), { force: true });
  // Of a kill between its making and its rename.
  await rm(`${recordPath(temporary)}.new`, { force: true });
}

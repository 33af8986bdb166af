// A writer whose disk can be judged at any instant: a file is complete and fsynced before the log says that it is.
//
// So on every crash-consistent image each file that the log names is there, whole; and all that the log held when a
// point was asked for is in that point. With several folders (on several disks) the log lines are written one folder
// after the other: on every image of all disks together a later folder's log is never ahead of an earlier one's, and
// behind it by one line at most.

import { createHash, randomFillSync } from 'node:crypto';
import { open, mkdir, readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

const LOG_NAME = 'complete.log';
const MAXIMUM_FILE_BYTES = 96 * 1024;
/** Old files are overwritten, so that the writer never fills its disk. */
const FILE_COUNT = 256;

export interface OrderedWriterOptions {
  /** Folders on the disks, in the order in which they are written. */
  readonly folders: readonly string[];
}

export class OrderedWriter {
  readonly #folders: readonly string[];
  #completed = 0;
  #stopping = false;
  #done: Promise<void> = Promise.resolve();

  private constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  static start({ folders }: OrderedWriterOptions): OrderedWriter {
    const writer = new OrderedWriter(folders);
    writer.#done = writer.#run();
    // Told by stop(); until then it must not end the process.
    writer.#done.catch(() => undefined);
    return writer;
  }

  /** Lines that are durable in every folder's log. */
  get completed(): number {
    return this.#completed;
  }

  /** Returns when nothing is written any more; throws what ended the writer before its time. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    const logs: FileHandle[] = [];
    try {
      for (const folder of this.#folders) {
        await mkdir(folder, { recursive: true });
        logs.push(await open(join(folder, LOG_NAME), 'a'));
      }
      while (!this.#stopping) {
        for (const [index, folder] of this.#folders.entries()) {
          const log = logs[index];
          if (log !== undefined) await writeEntry(folder, log, this.#completed);
        }
        this.#completed += 1;
      }
    } finally {
      for (const log of logs) await log.close();
    }
  }
}

async function writeEntry(folder: string, log: FileHandle, entry: number): Promise<void> {
  const content = randomFillSync(Buffer.alloc(1 + Math.floor(Math.random() * MAXIMUM_FILE_BYTES)));
  const name = `file-${entry}`;
  const file = await open(join(folder, `file-${entry % FILE_COUNT}`), 'w');
  try {
    await file.write(content);
    await file.sync();
  } finally {
    await file.close();
  }
  await log.write(`${name} ${createHash('sha256').update(content).digest('hex')}\n`);
  await log.sync();
}

export interface OrderedContent {
  /** Complete lines of the log. */
  readonly entries: number;
  readonly filesRead: number;
  /** One line per file that is not what the log says. */
  readonly problems: readonly string[];
}

/** Reads a folder of a mounted image. The newest files must match; the one being overwritten may be anything. */
export async function readOrderedFolder(folder: string): Promise<OrderedContent> {
  const log = await readFile(join(folder, LOG_NAME), 'utf8');
  const lines = log.slice(0, log.lastIndexOf('\n') + 1).split('\n');
  lines.pop();
  const problems: string[] = [];
  // The next entry overwrites the oldest file before the log says so.
  const firstKept = Math.max(0, lines.length - FILE_COUNT + 1);
  for (let entry = firstKept; entry < lines.length; entry++) {
    const [name, digest] = lines[entry]?.split(' ') ?? [];
    if (name !== `file-${entry}`) problems.push(`line ${entry} of the log is '${lines[entry]}'`);
    const content = await readFile(join(folder, `file-${entry % FILE_COUNT}`)).catch(() => null);
    if (content === null) problems.push(`file ${entry} is missing`);
    else if (createHash('sha256').update(content).digest('hex') !== digest) problems.push(`file ${entry} differs`);
  }
  return { entries: lines.length, filesRead: lines.length - firstKept, problems };
}

// Files that are written and fsynced at a known moment, and looked for on an image: what was acknowledged before a point was
// asked for must be in it.

import { randomBytes } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { join } from 'node:path';

const MARK_BYTES = 32 * 1024;

interface Mark {
  readonly name: string;
  readonly content: Buffer;
}

export class Marks {
  readonly #folder: string;
  readonly #written: Mark[] = [];

  /** `folder`: on the source's disk. */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async write(): Promise<void> {
    const mark = { name: `mark-${this.#written.length}`, content: randomBytes(MARK_BYTES) };
    const file = await open(join(this.#folder, mark.name), 'wx');
    try {
      await file.write(mark.content);
      await file.sync();
    } finally {
      await file.close();
    }
    await syncFolder(this.#folder);
    this.#written.push(mark);
  }

  /** Names of those that are not on the image, or not as they were written. `folder`: the image's. */
  async missing(folder: string): Promise<readonly string[]> {
    const missing: string[] = [];
    for (const { name, content } of this.#written) {
      const found = await readFile(join(folder, name)).catch(() => null);
      if (found === null || !found.equals(content)) missing.push(name);
    }
    return missing;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

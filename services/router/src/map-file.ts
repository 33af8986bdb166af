/** HAProxy's maps as files: what it begins with at each start, and what this program begins with at its own. */
import { readFile, rename, writeFile } from 'node:fs/promises';

export async function readMapFile(path: string): Promise<ReadonlyMap<string, string> | null> {
  try {
    return parseMap(await readFile(path, 'utf8'));
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw thrown;
  }
}

export async function writeMapFile(path: string, entries: ReadonlyMap<string, string>): Promise<void> {
  const lines = [...entries].map(([key, value]) => `${key} ${value}\n`);
  // Renamed: HAProxy may start at any time, and a map of half the machines would be one too.
  await writeFile(`${path}.new`, lines.join(''));
  await rename(`${path}.new`, path);
}

/** One `KEY VALUE` each line. */
export function parseMap(text: string): ReadonlyMap<string, string> {
  const entries = text.split('\n').flatMap((line) => {
    const [key, value] = line.split(' ');
    return key === undefined || value === undefined ? [] : [[key, value] as const];
  });
  return new Map(entries);
}

/**
 * A folder of packages, and `index.json` in it: the manager's own list. What it names with its SHA-256 is what machines
 * install, wherever the bytes come from.
 */
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LmsError } from '@lms/errors';
import { z } from 'zod';
import { PLATFORMS } from './platform.ts';

export const INDEX_FILE = 'index.json';
/** Also what keeps a name from being a path. */
const FILE_NAME = /^live-migration-agent-[0-9A-Za-z.+-]{1,64}-linux-(?:x64|arm64)\.tar\.gz$/;

export const AgentPackage = z.object({
  name: z.string().regex(FILE_NAME),
  version: z.string().max(64),
  platform: z.enum(PLATFORMS),
  sizeBytes: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  /** Digest of what it was made of; the same makes the same package. */
  inputs: z.string().regex(/^[0-9a-f]{64}$/),
});
export type AgentPackage = z.infer<typeof AgentPackage>;

const PackageIndex = z.object({ schemaVersion: z.literal(1), packages: z.array(AgentPackage).max(1_000) });

/** Sorted by name; empty where there is no list. DATA_LOSS when it cannot be read as one. */
export async function readPackageIndex(folder: string): Promise<readonly AgentPackage[]> {
  const path = join(folder, INDEX_FILE);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw thrown;
  }
  try {
    return PackageIndex.parse(JSON.parse(text)).packages;
  } catch (thrown) {
    throw new LmsError('DATA_LOSS', `${path} is not a list of agent packages`, {
      action: 'Remove it, and make the packages again.',
      cause: thrown,
    });
  }
}

/** In place of the one of the same name, if there is one. */
export async function addToPackageIndex(folder: string, added: AgentPackage): Promise<void> {
  const others = (await readPackageIndex(folder)).filter(({ name }) => name !== added.name);
  const packages = [...others, added].toSorted((one, other) => (one.name < other.name ? -1 : 1));
  const path = join(folder, INDEX_FILE);
  // Two may make packages in one folder at once: of the same sources they are the same.
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify({ schemaVersion: 1, packages }, null, 2)}\n`);
  await rename(temporary, path);
}

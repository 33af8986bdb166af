/**
 * Makes the package of one platform.
 *
 * The same input gives the same bytes: names are sorted, owners and times are fixed, and tar and gzip write nothing of their
 * own. Written aside and renamed, so that whoever looks into the folder sees whole packages only.
 */
import { createHash } from 'node:crypto';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { LmsError } from '@lms/errors';
import { packageContents, readEntry, type Entry } from './contents.ts';
import { stripProgram } from './elf.ts';
import { addToPackageIndex, readPackageIndex, type AgentPackage } from './package-index.ts';
import { packageFileName, type Platform } from './platform.ts';
import type { PlatformParts } from './platform-parts.ts';

/** 1 January 2026: tar wants a time, and zero confuses some programs. */
const FIXED_TIME = '@1767225600';
/** Counts as input: to be raised when the same files are packed in another way. */
const FORM = 1;

export interface PackageOptions {
  /** Of the repository, or of what has its shape. */
  readonly root: string;
  readonly platform: Platform;
  readonly parts: PlatformParts;
  readonly version: string;
  /** Where the package and its entry in the index go; made when it is not there. */
  readonly folder: string;
  readonly signal?: AbortSignal;
}

/** The one that is there already, when it was made of the same. */
export async function ensurePackage(options: PackageOptions): Promise<AgentPackage> {
  const { root, platform, parts, version, folder } = options;
  const entries = packageContents(root, platform, parts);
  const inputs = digestInputs(entries, version);
  const name = packageFileName(version, platform);
  const known = (await readPackageIndex(folder)).find((candidate) => candidate.name === name);
  if (known?.inputs === inputs && (await hasSize(join(folder, name), known.sizeBytes))) return known;
  await mkdir(folder, { recursive: true });
  const work = await mkdtemp(join(folder, '.work-'));
  try {
    const tree = join(work, 'tree');
    await mkdir(tree);
    await writeTree(tree, entries, { version, platform });
    const archive = join(work, name);
    await writeArchive(tree, archive, options.signal);
    const made = { name, version, platform, inputs, ...(await describeFile(archive)) };
    await rename(archive, join(folder, name));
    await addToPackageIndex(folder, made);
    return made;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

function digestInputs(entries: readonly Entry[], version: string): string {
  const hash = createHash('sha256').update(JSON.stringify({ FORM, FIXED_TIME, version }));
  for (const entry of entries) {
    hash.update(`\0${entry.kind}\0${entry.path}\0`);
    if (entry.kind === 'copy' || entry.kind === 'program')
      hash.update(createHash('sha256').update(readEntry(entry)).digest());
    else hash.update(entry.kind === 'link' ? entry.target : entry.text);
  }
  return hash.digest('hex');
}

async function writeTree(
  tree: string,
  entries: readonly Entry[],
  about: { readonly version: string; readonly platform: Platform },
): Promise<void> {
  const files: { path: string; sha256: string; sizeBytes: number }[] = [];
  for (const entry of entries) {
    const path = join(tree, entry.path);
    await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    if (entry.kind === 'link') {
      await symlink(entry.target, path);
      continue;
    }
    const content = contentOf(entry);
    const isProgram = entry.kind === 'program' || (entry.kind === 'copy' && entry.executable);
    await writeFile(path, content, { mode: isProgram ? 0o755 : 0o644 });
    await chmod(path, isProgram ? 0o755 : 0o644);
    files.push({
      path: entry.path,
      sha256: createHash('sha256').update(content).digest('hex'),
      sizeBytes: content.length,
    });
  }
  const manifest = { schemaVersion: 1, name: 'live-migration-agent', ...about, files };
  await writeFile(join(tree, 'manifest.json'), `${JSON.stringify(manifest, null, 1)}\n`, { mode: 0o644 });
}

function contentOf(entry: Exclude<Entry, { readonly kind: 'link' }>): Buffer {
  if (entry.kind === 'text') return Buffer.from(entry.text);
  return entry.kind === 'program' ? stripProgram(readEntry(entry)) : readEntry(entry);
}

async function writeArchive(tree: string, archive: string, signal: AbortSignal | undefined): Promise<void> {
  const tar = [
    ...['tar', '--create', '--sort=name', '--format=ustar', `--mtime=${FIXED_TIME}`, '--mode=u+rwX,go+rX,go-w'],
    ...['--owner=0', '--group=0', '--numeric-owner', '--directory', '"$1"', '.'],
  ].join(' ');
  // gzip without -n would write the name and the time of what it reads.
  const child = spawn(
    'bash',
    ['-c', `set -o pipefail; ${tar} | nice -n 10 gzip -n -6 > "$2"`, 'package', tree, archive],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, LC_ALL: 'C', GZIP: '', TAR_OPTIONS: '' },
      ...(signal === undefined ? {} : { signal }),
    },
  );
  const words: string[] = [];
  child.stderr.setEncoding('utf8').on('data', (piece: string) => words.push(piece));
  const [exitCode] = (await once(child, 'close')) as [number | null];
  if (exitCode === 0) return;
  throw new LmsError('INTERNAL', `tar and gzip cannot write ${archive}: ${words.join('').trim().slice(-500)}`, {
    action: 'Install GNU tar and gzip, and see that there is space.',
  });
}

async function describeFile(path: string): Promise<{ readonly sizeBytes: number; readonly sha256: string }> {
  const hash = createHash('sha256');
  for await (const piece of createReadStream(path)) hash.update(piece as Buffer);
  return { sizeBytes: (await stat(path)).size, sha256: hash.digest('hex') };
}

async function hasSize(path: string, sizeBytes: number): Promise<boolean> {
  return (await stat(path).catch(() => null))?.size === sizeBytes;
}

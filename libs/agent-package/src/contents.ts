/**
 * What is in a package, as a list: where each file comes from, and where it goes. It has the shape of the repository, so that
 * the same programs run in both:
 *
 *     bin/lms-agent, package.json, LICENSE, manifest.json
 *     services/agent/, libs/…                   our sources, as far as the agent imports them
 *     node_modules/                             other people's packages, as far as these import them
 *     node_modules/.bin/node → ../node-linux-…  its own Node
 *     lib/libatomic.so.1                        the one library that Node needs and small machines lack
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import type { Platform } from './platform.ts';
import type { PlatformParts } from './platform-parts.ts';
import { findSourceClosure } from './source-closure.ts';

export type Entry =
  | { readonly kind: 'copy'; readonly path: string; readonly from: string; readonly executable: boolean }
  | { readonly kind: 'program'; readonly path: string; readonly from: string }
  | { readonly kind: 'text'; readonly path: string; readonly text: string }
  | { readonly kind: 'link'; readonly path: string; readonly target: string };

/** Of the agent: its program, and what `bin/lms-agent` loads before it. */
const PROGRAMS = ['services/agent/src/main.ts', 'libs/telemetry/src/preload.ts'];

/** What the install script starts the agent by, with systemd and without. */
const SERVICE_FILES = ['services/agent/service/lms-agent.service', 'services/agent/service/supervise'];

/** What only editors, debuggers and compilers read. Licences have none of these endings. */
const NOT_RUN = /\.(?:map|ts|mts|cts|flow|markdown|c|cc|cpp|h|hh|inc|def|S|s|asm|gyp|gypi|tsbuildinfo)$/i;
const NOT_RUN_NAMES = /^(?:readme|changelog|history|contributing|security|cmakelists|tsconfig)\b|^\.|\.md$/i;
const LICENCE = /^(?:licen[cs]e|copying|notice)/i;
/** At the top of a package. */
const NOT_RUN_FOLDERS = new Set([
  'test',
  'tests',
  '__tests__',
  'benchmark',
  'benchmarks',
  'docs',
  'doc',
  'example',
  'examples',
]);
/** For bundlers of the web: Node takes the form beside it. */
const OTHER_FORMS = /^@opentelemetry\/[^/]+\/(?:node_modules\/.*)?build\/esnext\//;
/** Koffi brings a native module for each C library; the agent needs glibc's. */
const OTHER_LIBRARIES = /\/musl_[^/]+\//;
const NATIVE = /^(?:@koromix\/koffi-|node-linux-)/;

export function packageContents(root: string, platform: Platform, parts: PlatformParts): readonly Entry[] {
  const closure = findSourceClosure(PROGRAMS.map((path) => join(root, path)));
  const entries: Entry[] = [
    copy('bin/lms-agent', join(root, 'bin/lms-agent'), true),
    copy('LICENSE', join(root, 'LICENSE')),
    ...SERVICE_FILES.map((path) => copy(path, join(root, path))),
    {
      kind: 'text',
      path: 'package.json',
      text: '{ "name": "live-migration-agent", "private": true, "type": "module" }\n',
    },
    ...closure.files.map((from) => copy(relative(root, from), from)),
    ...[...closure.ownPackages].map(([name, folder]): Entry => ({
      kind: 'link',
      path: `node_modules/${name}`,
      target: join('../..', relative(root, folder)),
    })),
    ...closure.packageFolders.flatMap((folder) => packageFiles(root, folder)),
    ...nativeFiles(`node_modules/@koromix/koffi-${platform}`, parts.koffiFolder),
    { kind: 'program', path: `node_modules/node-${platform}/bin/node`, from: join(parts.nodeFolder, 'bin/node') },
    copy(`node_modules/node-${platform}/LICENSE`, join(parts.nodeFolder, 'LICENSE')),
    copy(`node_modules/node-${platform}/package.json`, join(parts.nodeFolder, 'package.json')),
    { kind: 'link', path: 'node_modules/.bin/node', target: `../node-${platform}/bin/node` },
    copy('lib/libatomic.so.1', parts.libatomicFile),
    { kind: 'text', path: 'lib/README', text: ABOUT_LIBATOMIC },
  ];
  return entries.toSorted((one, other) => (one.path < other.path ? -1 : 1));
}

const ABOUT_LIBATOMIC = `libatomic.so.1 is a part of GCC (https://gcc.gnu.org), under GPL-3.0-or-later with the GCC Runtime Library
Exception 3.1. It is here unchanged, for machines that have none: Node does not start without it.
`;

function copy(path: string, from: string, executable = false): Entry {
  return { kind: 'copy', path, from, executable };
}

function packageFiles(root: string, folder: string): readonly Entry[] {
  const name = relative(join(root, 'node_modules'), folder);
  if (NATIVE.test(name)) return [];
  return listFiles(folder)
    .filter((path) => isRun(path) && !OTHER_FORMS.test(`${name}/${path}`))
    .map((path) => copy(join('node_modules', name, path), join(folder, path)));
}

function nativeFiles(path: string, folder: string): readonly Entry[] {
  return listFiles(folder)
    .filter((file) => isRun(file) && !OTHER_LIBRARIES.test(`/${file}`))
    .map((file) => copy(join(path, file), join(folder, file)));
}

function isRun(path: string): boolean {
  const parts = path.split('/');
  const file = parts.at(-1) ?? '';
  if (LICENCE.test(file)) return true;
  if (parts.length > 1 && NOT_RUN_FOLDERS.has(parts[0] ?? '')) return false;
  return !NOT_RUN.test(file) && !NOT_RUN_NAMES.test(file);
}

/** Relative paths; packages inside of packages are packages of their own. */
function listFiles(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter(
    (path) => !/(?:^|\/)node_modules\//.test(path) && statSync(join(folder, path)).isFile(),
  );
}

export function readEntry(entry: Extract<Entry, { readonly kind: 'copy' | 'program' }>): Buffer {
  return readFileSync(entry.from);
}

/**
 * What a program is made of: from its first file on, the files of ours that it imports, and other people's packages.
 *
 * Found by reading the import statements, not by running: what is loaded only now and then counts too. Type imports do not,
 * since nothing of them is left at run time. The downside: a specifier that is computed is not seen; we have none.
 */
import { existsSync, readFileSync } from 'node:fs';
import { findPackageJSON, isBuiltin } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { LmsError } from '@lms/errors';

export interface SourceClosure {
  /** Absolute paths of our files, manifests of their packages included; sorted. */
  readonly files: readonly string[];
  /** Absolute folders of our packages, by name. */
  readonly ownPackages: ReadonlyMap<string, string>;
  /** Absolute folders of other people's packages; sorted. */
  readonly packageFolders: readonly string[];
}

const STATEMENTS = [
  /\b(?:import|export)\s+(?!type\b)[^'";]*?\bfrom\s*'([^']+)'/g,
  /\bimport\s*\(?\s*'([^']+)'/g,
  // Workers, programs of their own, and files that are read.
  /\bnew URL\(\s*'(\.[^']+)'\s*,\s*import\.meta\.url/g,
];
const OWN_SCOPE = '@lms/';
/** Some packages count the types that they need among their dependencies. */
const TYPES_ONLY = /^@types\/|^undici-types$/;

interface Manifest {
  readonly name: string;
  readonly exports?: string | Readonly<Record<string, string>>;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
  readonly peerDependencies?: Readonly<Record<string, string>>;
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional?: boolean }>>;
}

export function findSourceClosure(entries: readonly string[]): SourceClosure {
  const walk = new Walk();
  for (const entry of entries) walk.addFile(entry);
  return walk.closure();
}

class Walk {
  readonly #files = new Set<string>();
  readonly #ownPackages = new Map<string, string>();
  readonly #packageFolders = new Set<string>();

  closure(): SourceClosure {
    return {
      files: [...this.#files].toSorted(),
      ownPackages: new Map([...this.#ownPackages].toSorted(([one], [other]) => (one < other ? -1 : 1))),
      packageFolders: [...this.#packageFolders].toSorted(),
    };
  }

  addFile(path: string): void {
    if (this.#files.has(path)) return;
    if (!existsSync(path)) throw new LmsError('NOT_FOUND', `${path} is imported and is not there`);
    this.#files.add(path);
    this.#addOwnPackageOf(path);
    if (!path.endsWith('.ts')) return;
    const text = readFileSync(path, 'utf8');
    for (const statement of STATEMENTS)
      for (const [, specifier] of text.matchAll(statement)) if (specifier !== undefined) this.#follow(specifier, path);
  }

  #follow(specifier: string, from: string): void {
    if (isBuiltin(specifier)) return;
    if (specifier.startsWith('.')) this.addFile(fileURLToPath(new URL(specifier, pathToFileURL(from))));
    else if (specifier.startsWith(OWN_SCOPE)) this.addFile(ownModule(specifier, from));
    else this.#addPackage(packageName(specifier), from, true);
  }

  #addOwnPackageOf(path: string): void {
    const manifestFile = findPackageJSON(pathToFileURL(path));
    if (manifestFile === undefined) throw new LmsError('NOT_FOUND', `${path} belongs to no package`);
    this.#files.add(manifestFile);
    this.#ownPackages.set(readManifest(manifestFile).name, dirname(manifestFile));
  }

  #addPackage(name: string, from: string, isRequired: boolean): void {
    if (TYPES_ONLY.test(name)) return;
    const manifestFile = findPackage(name, from);
    if (manifestFile === undefined) {
      // Optional ones are of other platforms, or not needed for what we use.
      if (!isRequired) return;
      throw new LmsError('NOT_FOUND', `the package ${name}, which ${from} imports, is not installed`, {
        action: 'Run make setup.',
      });
    }
    const folder = dirname(manifestFile);
    if (this.#packageFolders.has(folder)) return;
    this.#packageFolders.add(folder);
    const manifest = readManifest(manifestFile);
    const { dependencies, optionalDependencies, peerDependencies, peerDependenciesMeta } = manifest;
    for (const needed of Object.keys(dependencies ?? {}))
      this.#addPackage(needed, manifestFile, optionalDependencies?.[needed] === undefined);
    for (const wanted of Object.keys(optionalDependencies ?? {})) this.#addPackage(wanted, manifestFile, false);
    // Optional ones are left out also where others have brought them: the same sources make the same package.
    for (const peer of Object.keys(peerDependencies ?? {}))
      if (peerDependenciesMeta?.[peer]?.optional !== true) this.#addPackage(peer, manifestFile, false);
  }
}

function ownModule(specifier: string, from: string): string {
  const name = packageName(specifier);
  const manifestFile = findPackage(name, from);
  if (manifestFile === undefined) throw new LmsError('NOT_FOUND', `${from} imports ${name}, which is not there`);
  const { exports } = readManifest(manifestFile);
  const place = `.${specifier.slice(name.length)}`;
  const target = typeof exports === 'string' && place === '.' ? exports : (exports as Record<string, string>)[place];
  if (target === undefined) throw new LmsError('NOT_FOUND', `${name} has no ${place}, which ${from} imports`);
  return join(dirname(manifestFile), target);
}

function findPackage(name: string, from: string): string | undefined {
  try {
    return findPackageJSON(name, pathToFileURL(from));
  } catch {
    return undefined;
  }
}

/** `@scope/name/deep/file.js` → `@scope/name`. */
function packageName(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

function readManifest(path: string): Manifest {
  return JSON.parse(readFileSync(path, 'utf8')) as Manifest;
}

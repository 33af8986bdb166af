// Which modules run when a program runs, followed by the names that are really imported: an index file that hands on a
// whole folder does not make all of that folder run.

import { EVERYTHING } from './module-source.ts';
import type { ModuleSource, NamedImport } from './module-source.ts';

export interface ModuleTree {
  /** The path of what `specifier` names inside of `path`; null when it is not of this repository. */
  readonly resolve: (path: string, specifier: string) => string | null;
  readonly read: (path: string) => ModuleSource;
}

/** One import, with the name and the module that declares it, however many index files are between. */
export interface NameUse {
  readonly user: string;
  readonly path: string;
  readonly name: string;
}

/** Where `name` of `path` is declared: more than one for everything, none when it is no value of this repository. */
function findDeclarations(tree: ModuleTree, path: string, name: string, seen = new Set<string>()): NameUse[] {
  if (seen.has(`${path} ${name}`)) return [];
  seen.add(`${path} ${name}`);
  const source = tree.read(path);
  const follow = (next: NamedImport): NameUse[] => {
    const target = tree.resolve(path, next.specifier);
    return target === null ? [] : findDeclarations(tree, target, next.name, seen);
  };
  if (name === EVERYTHING)
    return [
      { user: path, path, name },
      ...[...source.handedOn.values()].flatMap(follow),
      ...source.handedOnWhole.flatMap((specifier) => follow({ specifier, name })),
    ];
  const local = source.aliases.get(name) ?? name;
  if (source.declared.has(local)) return [{ user: path, path, name: local }];
  const next = source.handedOn.get(name) ?? source.imports.get(local);
  if (next !== undefined) return follow(next);
  return source.handedOnWhole.flatMap((specifier) => follow({ specifier, name }));
}

function usesOf(tree: ModuleTree, path: string): NameUse[] {
  const source = tree.read(path);
  const wanted = [
    ...source.imports.values(),
    ...source.wholeModules.map((specifier) => ({ specifier, name: EVERYTHING })),
  ];
  return wanted.flatMap(({ specifier, name }) => {
    const target = tree.resolve(path, specifier);
    if (target === null) return [];
    return findDeclarations(tree, target, name).map((declaration) => ({ ...declaration, user: path }));
  });
}

export interface RunningModules {
  readonly paths: ReadonlySet<string>;
  readonly uses: readonly NameUse[];
}

/** Everything that runs when `roots` run. */
export function followNames(tree: ModuleTree, roots: readonly string[]): RunningModules {
  const paths = new Set<string>(roots);
  const uses: NameUse[] = [];
  // A set's iteration also visits what is added to it on the way.
  for (const path of paths)
    for (const use of usesOf(tree, path)) {
      uses.push(use);
      paths.add(use.path);
    }
  return { paths, uses };
}

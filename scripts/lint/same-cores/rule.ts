// The simulation runs the very cores that the two mains run.
//
// Why: a simulation proves what it ran. A copy that was changed for the simulation, or a core module that the mains have and
// the simulation replaced, would be proven by nobody. Mechanism: the names that each program really imports are followed
// (name-graph.ts), so that an index file which hands on a folder makes nothing look shared that is not run.
// What it cannot see: a core that is imported and then not called. That is for the simulation's own count of faults and steps.

import { followNames } from './name-graph.ts';
import type { ModuleTree, NameUse } from './name-graph.ts';

export interface Replacement {
  /** A module, or a folder that ends with a slash. */
  readonly path: string;
  /** Without it: all names of the module. */
  readonly name?: string;
  readonly reason: string;
}

export interface SameCores {
  readonly mains: readonly string[];
  readonly simulation: string;
  /** Folders that end with a slash. */
  readonly cores: readonly string[];
  /** Of the simulation alone: the world that it puts in the place of the real one. */
  readonly simulatedWorld: readonly string[];
  /** What of the cores is a door to the real world, and is therefore run by the mains alone. */
  readonly replaced: readonly Replacement[];
}

export interface CoreComparison {
  readonly findings: readonly string[];
  /** What both run: how much the check has seen. */
  readonly shared: readonly string[];
}

function isWithin(path: string, folders: readonly string[]): boolean {
  return folders.some((folder) => (folder.endsWith('/') ? path.startsWith(folder) : path === folder));
}

function key({ path, name }: NameUse): string {
  return `${path} ${name}`;
}

export function compareCores(tree: ModuleTree, rule: SameCores): CoreComparison {
  const findings: string[] = [];
  const main = followNames(tree, rule.mains);
  const simulation = followNames(tree, [rule.simulation]);
  const isCore = (path: string): boolean => isWithin(path, rule.cores) && !isWithin(path, rule.simulatedWorld);
  const replaced = (path: string, name?: string): Replacement | undefined =>
    rule.replaced.find((entry) => isWithin(path, [entry.path]) && (entry.name === undefined || entry.name === name));

  for (const folder of rule.cores)
    if (![...main.paths].some((path) => path.startsWith(folder)))
      findings.push(`${folder}: the mains run nothing of it: this check would be empty`);
  const shared: string[] = [];
  for (const path of main.paths) {
    if (!isCore(path) || replaced(path) !== undefined) continue;
    if (simulation.paths.has(path)) shared.push(path);
    else findings.push(`${path}: the mains run it, the simulation does not`);
  }
  for (const path of simulation.paths)
    if (isCore(path) && !main.paths.has(path)) findings.push(`${path}: the simulation runs it, the mains do not`);

  // What the world outside of the cores takes from them is what the simulation has to take as well: the same entry points.
  const entries = (uses: readonly NameUse[]): Map<string, NameUse> =>
    new Map(uses.filter((use) => isCore(use.path) && !isWithin(use.user, rule.cores)).map((use) => [key(use), use]));
  const simulationEntries = entries(simulation.uses);
  const mainEntries = entries(main.uses);
  for (const [entry, { path, name, user }] of mainEntries)
    if (!simulationEntries.has(entry) && replaced(path, name) === undefined)
      findings.push(`${user} takes ${name} from ${path}, the simulation does not`);

  for (const { path, name } of rule.replaced) {
    const used = main.uses.some((use) => isWithin(use.path, [path]) && (name === undefined || use.name === name));
    const simulated = simulation.uses.some(
      (use) => isWithin(use.path, [path]) && (name === undefined ? true : use.name === name && !isCore(use.user)),
    );
    const what = name === undefined ? path : `${name} of ${path}`;
    if (!used || simulated)
      findings.push(`${what} is named as replaced, but ${used ? 'the simulation runs it' : 'the mains do not run it'}`);
  }
  return { findings, shared };
}

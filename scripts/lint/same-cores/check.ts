// The rule of rule.ts for this repository.

import { realpathSync } from 'node:fs';
import { relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { readModule } from './module-source.ts';
import type { ModuleSource } from './module-source.ts';
import type { ModuleTree } from './name-graph.ts';
import { compareCores } from './rule.ts';
import type { SameCores } from './rule.ts';

const STORE = 'services/replication-server/src/store/';

export const SAME_CORES: SameCores = {
  mains: ['services/agent/src/main.ts', 'services/replication-server/src/main.ts'],
  simulation: 'test/simulation/main.ts',
  cores: ['services/agent/src/core/', 'services/replication-server/src/core/', STORE],
  simulatedWorld: [`${STORE}simulated/`],
  replaced: [
    ...[
      ['change-tracker.ts', 'ChangeTracker'],
      ['disk-map.ts', 'DiskMap'],
      ['status.ts', 'DEFAULT_SETTINGS'],
    ].map(([file, name]) => ({
      path: `services/agent/src/core/${file}`,
      name: name as string,
      reason:
        'lms-agent bandwidth tracks with the core and replicates nothing; the simulation has them within the core',
    })),
    {
      path: `${STORE}space/space-floor.ts`,
      name: 'SpaceFloor',
      reason:
        'staging-area.ts asks it for the floor of the whole file system; the simulated host has none, its disk runs full',
    },
    {
      path: `${STORE}folder/`,
      reason: 'the real file system; its contract is what conformance.test.ts holds both file systems to',
    },
  ],
};

/** Node's own resolution, as the programs have it: workspaces are links, so the real path counts. */
function resolveModule(path: string, specifier: string): string | null {
  if (!specifier.startsWith('.') && !specifier.startsWith('@lms/')) return null;
  const url = specifier.startsWith('.')
    ? new URL(specifier, new URL(path, `file://${process.cwd()}/`)).href
    : import.meta.resolve(specifier);
  return relative(process.cwd(), realpathSync(fileURLToPath(url)));
}

export function repositoryTree(): ModuleTree {
  const sources = new Map<string, ModuleSource>();
  return {
    resolve: resolveModule,
    read: (path) => {
      const source = sources.get(path) ?? readModule(path);
      sources.set(path, source);
      return source;
    },
  };
}

export function checkSameCores(): readonly string[] {
  return compareCores(repositoryTree(), SAME_CORES).findings;
}

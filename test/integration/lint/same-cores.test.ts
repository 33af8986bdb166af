import { expect, test } from '@jest/globals';
import { repositoryTree, SAME_CORES } from '../../../scripts/lint/same-cores/check.ts';
import type { ModuleTree } from '../../../scripts/lint/same-cores/name-graph.ts';
import { compareCores } from '../../../scripts/lint/same-cores/rule.ts';

/** The repository, but nothing that only the simulation runs imports `name`: as if it had a version of its own. */
function withoutImport(name: string): ModuleTree {
  const tree = repositoryTree();
  return {
    ...tree,
    read: (path) => {
      const source = tree.read(path);
      if (!path.startsWith('test/simulation/')) return source;
      return { ...source, imports: new Map([...source.imports].filter(([local]) => local !== name)) };
    },
  };
}

test('the simulation runs every core module that the two mains run', () => {
  const { findings, shared } = compareCores(repositoryTree(), SAME_CORES);
  expect(findings).toEqual([]);
  expect(shared).toEqual(
    expect.arrayContaining([
      'services/agent/src/core/replicator.ts',
      'services/agent/src/core/change-tracker.ts',
      'services/replication-server/src/core/session.ts',
      'services/replication-server/src/store/machine-store.ts',
    ]),
  );
});

test.each(['Replicator', 'MachineReplicas'])('a simulation without the real %s is found', (name) => {
  const { findings } = compareCores(withoutImport(name), SAME_CORES);
  expect(findings).toEqual(expect.arrayContaining([expect.stringContaining('the simulation does not')]));
});

test('an exception that nobody needs any more is found', () => {
  const replaced = [...SAME_CORES.replaced, { path: 'services/agent/src/core/session.ts', reason: 'none' }];
  const { findings } = compareCores(repositoryTree(), { ...SAME_CORES, replaced });
  expect(findings).toEqual(['services/agent/src/core/session.ts is named as replaced, but the simulation runs it']);
});

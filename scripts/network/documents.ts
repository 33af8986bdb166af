// What is written from libs/network, so that pages, chart and product cannot disagree. `make lint` writes it again and compares.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { clusterFlowsFile } from './cluster-flows-file.ts';
import { withMarkedPart } from './marked-part.ts';
import { clusterTable, portsTable, providerTable } from './tables.ts';

export interface NetworkDocument {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

const REPOSITORY = join(import.meta.dirname, '../..');

export function networkDocuments(): readonly NetworkDocument[] {
  return [
    { path: 'charts/live-migration-service/files/network-flows.yaml', text: clusterFlowsFile() },
    page('docs/kubernetes.md', [['cluster flows', clusterTable()]]),
    page('docs/network.md', [
      ['ports', portsTable()],
      ['addresses of clouds', providerTable()],
    ]),
  ];
}

function page(path: string, parts: readonly (readonly [name: string, text: string])[]): NetworkDocument {
  const before = readFileSync(join(REPOSITORY, path), 'utf8');
  return { path, text: parts.reduce((text, [name, part]) => withMarkedPart(text, name, part), before) };
}

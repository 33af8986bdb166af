// Writes what is made of libs/network: the chart's list of flows, and tables of docs/.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { networkDocuments } from './documents.ts';

const repository = join(import.meta.dirname, '../..');
for (const { path, text } of networkDocuments()) writeFileSync(join(repository, path), text);

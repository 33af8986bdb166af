// Writes the table of values into the chart's README, after values.yaml was changed.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { withValuesTable } from './values-table.ts';

const chart = join(import.meta.dirname, '../../charts/live-migration-service');
const readme = join(chart, 'README.md');
writeFileSync(readme, withValuesTable(readFileSync(readme, 'utf8'), readFileSync(join(chart, 'values.yaml'), 'utf8')));

// What people read about the chart is what the chart does.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { withValuesTable } from '../../scripts/chart/values-table.ts';
import { CHART, helm, readChartFile, readRepositoryFile, RELEASE, valuesFiles } from './harness/chart.ts';

test('the table of values is that of values.yaml; `node scripts/chart/main.ts` writes it', () => {
  const page = readChartFile('README.md');
  expect(withValuesTable(page, readChartFile('values.yaml'))).toBe(page);
});

test('every example is on the page, and what the page names is there', () => {
  const page = readChartFile('README.md');
  const linked = [...page.matchAll(/\]\((examples\/[^)]+)\)/g)].map(([, path = '']) => path);
  for (const path of linked.filter((link) => link.endsWith('.yaml'))) expect(existsSync(join(CHART, path))).toBe(true);
  const examples = valuesFiles().filter(({ path }) => path.startsWith(join(CHART, 'examples')));
  for (const { name } of examples) expect(linked).toContain(`examples/${name}.yaml`);
});

test('annotations that the page names for a controller are those of its example', () => {
  const page = readChartFile('README.md');
  for (const name of ['contour', 'ingress-nginx']) {
    const lines = readChartFile(`examples/${name}.yaml`).split('\n');
    for (const line of lines.filter((text) => /^ {6}\S+\/\S+: /.test(text))) expect(page).toContain(line.trim());
  }
});

test('chart and product have one version', () => {
  const version = (JSON.parse(readRepositoryFile('package.json')) as { version: string }).version;
  expect(readChartFile('Chart.yaml')).toContain(`\nversion: ${version}\nappVersion: ${version}\n`);
});

async function notes(...parameters: string[]): Promise<string> {
  const { stdout } = await helm(['install', RELEASE, CHART, '--dry-run=client', '--hide-notes=false', ...parameters]);
  return stdout.slice(stdout.indexOf('NOTES:'));
}

test('NOTES say what is missing until agents can come, and nothing when nothing is', async () => {
  const bare = await notes();
  expect(bare).toContain('no gateway.host is set');
  expect(bare).toContain('get service lms-router');
  expect(bare).toContain('helm uninstall leaves replicas');
  const example = await notes('--values', join(CHART, 'examples/contour.yaml'), '--set', 'uninstall.deleteData=true');
  expect(example).toContain('Live Migration Service 0.1.0: https://lms.example.com');
  expect(example).not.toContain('no gateway.host is set');
  expect(example).not.toContain('get service lms-router');
  expect(example).toContain('helm uninstall REMOVES');
});

// What is generated is generated again, aside, and compared: what is committed is what its source says.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../test/harness/command.ts';
import { networkDocuments } from '../network/documents.ts';

export async function checkGeneratedCode(): Promise<string[]> {
  return [...(await checkContracts()), ...checkNetworkDocuments()];
}

async function checkContracts(): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'lms-proto-'));
  try {
    const generation = await runCommand('scripts/proto', [folder]);
    if (generation.exitCode !== 0) return [`${generation.stdout}${generation.stderr}`];
    const comparison = await runCommand('diff', [
      '--recursive',
      '--brief',
      'proto/generated',
      join(folder, 'generated'),
    ]);
    return comparison.exitCode === 0
      ? []
      : [`${comparison.stdout}proto/generated is not what proto/ says: run 'make proto'`];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function checkNetworkDocuments(): string[] {
  return networkDocuments()
    .filter(({ path, text }) => readFileSync(path, 'utf8') !== text)
    .map(({ path }) => `${path} is not what libs/network says: run 'node scripts/network/main.ts'`);
}

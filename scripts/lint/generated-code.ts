// Generated code is generated again, aside, and compared: what is committed is what the contracts say.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCommand } from '../../test/harness/command.ts';

export async function checkGeneratedCode(): Promise<string[]> {
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

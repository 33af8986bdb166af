// The agent's instance in tracefs, seen and disturbed from outside.

import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Cleanup } from './cleanup.ts';
import { requireCommand, runCommand } from './command.ts';

export class OutsideTraceInstance {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  static async open(stateFolder: string, folder: string, cleanup: Cleanup): Promise<OutsideTraceInstance> {
    const mountPoint = join(folder, 'tracefs');
    mkdirSync(mountPoint);
    await requireCommand('mount', ['-t', 'tracefs', 'tracefs', mountPoint]);
    cleanup.add('unmount tracefs', async () => void (await runCommand('umount', [mountPoint])));
    const id = createHash('sha256').update(realpathSync(stateFolder)).digest('hex').slice(0, 16);
    const path = join(mountPoint, 'instances', `lms-${id}`);
    if (!existsSync(path)) throw new Error(`there is no trace instance at ${path}`);
    return new OutsideTraceInstance(path);
  }

  write(control: string, text: string): void {
    writeFileSync(join(this.#path, control), text);
  }
}

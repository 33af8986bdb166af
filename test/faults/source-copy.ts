/**
 * A copy of the source tree in a temporary folder, in which a break is made; the original is only read.
 *
 * Packages of others are links to the installed ones. Those of this repository are links by relative path
 * (`node_modules/@lms/agent` → `../../services/agent`): copied as links, they lead into the copy.
 */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Break } from './break.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const COPIED = ['services', 'libs', 'proto', 'test', 'bin', 'package.json', 'tsconfig.json', 'jest.config.js'];
const OWN_PACKAGES = '@lms';

export class SourceCopy implements Disposable {
  readonly folder: string;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), 'lms-faults-'));
    try {
      for (const name of COPIED) {
        cpSync(join(ROOT, name), join(this.folder, name), { recursive: true, verbatimSymlinks: true });
      }
      this.#linkPackages();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  /** Throws when the old text is not there exactly once, or when the edit changes nothing. */
  apply({ what, file, from, to }: Break): void {
    const path = join(this.folder, file);
    if (!existsSync(path)) throw new Error(`the break "${what}" is out of date: there is no ${file}`);
    const before = readFileSync(path, 'utf8');
    const occurrences = before.split(from).length - 1;
    if (occurrences !== 1) {
      throw new Error(`the break "${what}" is out of date: ${file} has its old text ${occurrences} times, not once`);
    }
    if (from === to) throw new Error(`the break "${what}" changes nothing`);
    writeFileSync(
      path,
      before.replace(from, () => to),
    );
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  #linkPackages(): void {
    const [installed, linked] = [join(ROOT, 'node_modules'), join(this.folder, 'node_modules')];
    mkdirSync(linked);
    for (const name of readdirSync(installed)) {
      if (name !== OWN_PACKAGES) symlinkSync(join(installed, name), join(linked, name));
    }
    cpSync(join(installed, OWN_PACKAGES), join(linked, OWN_PACKAGES), { recursive: true, verbatimSymlinks: true });
  }
}

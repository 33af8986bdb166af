// Exits 0 when node_modules holds exactly the versions that package-lock.json names, and says what differs otherwise.
//
// npm writes node_modules/.package-lock.json as the last step of an installation, so an interrupted one is seen too.
// Reading two files takes a tenth of what `npm ls` takes; the price: a package folder damaged by hand goes unnoticed.

import { readFileSync } from 'node:fs';
import process from 'node:process';

interface LockedPackage {
  readonly version?: string;
  readonly integrity?: string;
  readonly optional?: boolean;
  readonly link?: boolean;
}

function readPackages(path: string): ReadonlyMap<string, LockedPackage> {
  const { packages } = JSON.parse(readFileSync(path, 'utf8')) as { packages: Record<string, LockedPackage> };
  return new Map(Object.entries(packages));
}

function differences(): string[] {
  let installed: ReadonlyMap<string, LockedPackage>;
  try {
    installed = readPackages('node_modules/.package-lock.json');
  } catch {
    return ['nothing is installed, or an installation was interrupted'];
  }
  const found: string[] = [];
  for (const [path, locked] of readPackages('package-lock.json')) {
    if (!path.startsWith('node_modules/')) continue;
    const present = installed.get(path);
    // Optional: binaries for other platforms.
    if (present === undefined && locked.optional) continue;
    if (present === undefined) found.push(`${path} is missing`);
    else if (present.version !== locked.version || present.integrity !== locked.integrity)
      found.push(`${path} is ${present.version ?? 'a link'}, the lock says ${locked.version ?? 'a link'}`);
  }
  return found;
}

const found = differences();
for (const line of found.slice(0, 3)) process.stderr.write(`setup: ${line}\n`);
if (found.length > 3) process.stderr.write(`setup: and ${found.length - 3} more\n`);
process.exitCode = found.length > 0 ? 1 : 0;

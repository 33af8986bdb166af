/**
 * The state folder: who the agent is, its key and certificate. Mode 0700, every file written durably.
 *
 * Situation: enrolment may be cut off at any instant. Mechanism: `identity.json` is written last; without it the folder is
 * not enrolled, whatever else lies there. Special cases: one process at a time holds the folder (flock of `lock`), and
 * its pid stands in that file for people.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { readFile, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CommandError, withExit } from '@lms/command-line';
import { LmsError } from '@lms/errors';
import { tryLockFile } from '@lms/linux';
import type { FileLock } from '@lms/linux';
import { AgentIdentity } from './agent-identity.ts';
import { AgentProxies, NO_PROXIES } from './agent-proxies.ts';
import type { Credentials } from './agent-identity.ts';
import { writeDurably } from './durable-file.ts';
import { Removal } from './removal.ts';
import { realStatePath } from './runtime-names.ts';

const IDENTITY_FILE = 'identity.json';
const KEY_FILE = 'key.pem';
const CERTIFICATE_FILE = 'certificate.pem';
const CA_FILE = 'ca.pem';
const ASSIGNMENT_FILE = 'assignment.json';
const REMOVAL_FILE = 'removed.json';
const PROXIES_FILE = 'proxy.json';
const LOCK_FILE = 'lock';
const OWN_FILES = [
  IDENTITY_FILE,
  KEY_FILE,
  CERTIFICATE_FILE,
  CA_FILE,
  ASSIGNMENT_FILE,
  REMOVAL_FILE,
  PROXIES_FILE,
  LOCK_FILE,
] as const;

export class StateFolder {
  /** Real path: the same folder by another name is the same agent. */
  readonly path: string;

  constructor(path: string) {
    this.path = realStatePath(path);
  }

  /** Makes the folder when it is not there; true when it was not. */
  create(): boolean {
    try {
      return mkdirSync(this.path, { recursive: true, mode: 0o700 }) !== undefined;
    } catch (thrown) {
      throw withExit('failed', thrown, `cannot make the state folder ${this.path}`);
    }
  }

  /** Refuses (exit 1), naming the holder, when another process has it. */
  lock(): FileLock {
    const attempt = this.#attemptLock();
    if (attempt.held) return attempt.lock;
    const holder = attempt.holder === null ? 'another process' : `process ${attempt.holder}`;
    throw new CommandError('failed', 'FAILED_PRECONDITION', `${this.path} is held by ${holder}`, {
      action: 'Stop that process first, or use another state folder.',
    });
  }

  #attemptLock(): ReturnType<typeof tryLockFile> {
    try {
      return tryLockFile(join(this.path, LOCK_FILE));
    } catch (thrown) {
      throw withExit('failed', thrown, `cannot lock the state folder ${this.path}`, 'Run it as root.');
    }
  }

  /** Pid of the process that holds the folder, without getting in its way; null when none does. */
  holder(): number | null {
    let pid: number;
    try {
      pid = Number.parseInt(readFileSync(join(this.path, LOCK_FILE), 'utf8'), 10);
    } catch {
      return null;
    }
    // Trying the lock would hold it for an instant, in which a starting agent would be refused.
    const lines = readFileSync('/proc/locks', 'utf8').split('\n');
    const held = lines.some((line) => new RegExp(`FLOCK +ADVISORY +WRITE +${pid} `).test(line));
    return held ? pid : null;
  }

  /** null when the folder is not enrolled. */
  async findIdentity(): Promise<AgentIdentity | null> {
    const path = join(this.path, IDENTITY_FILE);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (thrown) {
      const { code } = thrown as NodeJS.ErrnoException;
      if (code === 'ENOENT' || code === 'ENOTDIR') return null;
      throw withExit('failed', thrown, `cannot read ${path}`, 'Run it as root.');
    }
    return parseIdentity(text, path);
  }

  async identity(): Promise<AgentIdentity> {
    const identity = await this.findIdentity();
    if (identity !== null) return identity;
    throw new CommandError('failed', 'FAILED_PRECONDITION', `${this.path} holds no enrolled agent`, {
      action: 'Join this machine first: lms-agent enrol.',
    });
  }

  async credentials(): Promise<Credentials> {
    const [privateKeyPem, certificatePem, caPem] = await Promise.all(
      [KEY_FILE, CERTIFICATE_FILE, CA_FILE].map((name) => this.#read(name)),
    );
    if (privateKeyPem === undefined || certificatePem === undefined || caPem === undefined) {
      throw new LmsError('INTERNAL', 'three files were read and not three texts came');
    }
    return { privateKeyPem, certificatePem, caPem };
  }

  /** Before the token is sent: proves that the folder can be written, and that the key outlives a crash. */
  async writeKey(privateKeyPem: string): Promise<void> {
    await this.#write(KEY_FILE, privateKeyPem);
  }

  async removeKey(): Promise<void> {
    await rm(join(this.path, KEY_FILE), { force: true });
  }

  async writeCertificate(certificatePem: string): Promise<void> {
    await this.#write(CERTIFICATE_FILE, certificatePem);
  }

  /** What the manager last said; null before it said anything. */
  async findAssignment(): Promise<string | null> {
    try {
      return await readFile(join(this.path, ASSIGNMENT_FILE), 'utf8');
    } catch {
      return null;
    }
  }

  async writeAssignment(content: string): Promise<void> {
    await this.#write(ASSIGNMENT_FILE, content);
  }

  get proxiesFile(): string {
    return join(this.path, PROXIES_FILE);
  }

  /** None, when nobody ever named one. */
  async proxies(): Promise<AgentProxies> {
    const path = this.proxiesFile;
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return NO_PROXIES;
      throw withExit('failed', thrown, `cannot read ${path}`, 'Run it as root.');
    }
    try {
      return AgentProxies.parse(JSON.parse(text));
    } catch (thrown) {
      throw new CommandError('failed', 'DATA_LOSS', `${path} is damaged, or of a newer agent`, {
        action: 'Name the proxy again, or that there is none: lms-agent configure.',
        cause: thrown,
      });
    }
  }

  async writeProxies(proxies: AgentProxies): Promise<void> {
    await this.#write(PROXIES_FILE, `${JSON.stringify(proxies, null, 2)}\n`);
  }

  /** null: nobody has removed this machine, as far as is known here. */
  async findRemoval(): Promise<Removal | null> {
    const path = join(this.path, REMOVAL_FILE);
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw withExit('failed', thrown, `cannot read ${path}`, 'Run it as root.');
    }
    try {
      return Removal.parse(JSON.parse(text));
    } catch {
      return null; // The next heartbeat tells it again.
    }
  }

  async writeRemoval(removal: Removal): Promise<void> {
    await this.#write(REMOVAL_FILE, `${JSON.stringify(removal, null, 2)}\n`);
  }

  /** The folder is enrolled once this has returned. */
  async writeEnrolment(identity: AgentIdentity, certificatePem: string, caPem: string): Promise<void> {
    await this.#write(CA_FILE, caPem);
    await this.#write(CERTIFICATE_FILE, certificatePem);
    await this.#write(IDENTITY_FILE, `${JSON.stringify(identity, null, 2)}\n`);
  }

  /** Removes our files, and the folder when nothing else is in it. Returns the paths that it removed. */
  async remove(): Promise<readonly string[]> {
    const removed: string[] = [];
    const present = new Set(await listFolder(this.path));
    for (const name of OWN_FILES) {
      await rm(join(this.path, `${name}.tmp`), { force: true });
      if (!present.has(name)) continue;
      await rm(join(this.path, name), { force: true });
      removed.push(join(this.path, name));
    }
    if (present.size > 0 && (await listFolder(this.path)).length > 0) return removed;
    try {
      await rmdir(this.path);
      removed.push(this.path);
    } catch (thrown) {
      if ((thrown as NodeJS.ErrnoException).code !== 'ENOENT') throw thrown;
    }
    return removed;
  }

  async #read(name: string): Promise<string> {
    try {
      return await readFile(join(this.path, name), 'utf8');
    } catch (thrown) {
      throw withExit('failed', thrown, `the agent's state is not whole`, 'Uninstall the agent and enrol it again.');
    }
  }

  async #write(name: string, content: string): Promise<void> {
    try {
      await writeDurably(join(this.path, name), content);
    } catch (thrown) {
      throw withExit('failed', thrown, `cannot write to the state folder ${this.path}`);
    }
  }
}

function parseIdentity(text: string, path: string): AgentIdentity {
  try {
    return AgentIdentity.parse(JSON.parse(text));
  } catch (thrown) {
    throw new CommandError('failed', 'DATA_LOSS', `${path} is damaged, or of a newer agent`, {
      action: 'Uninstall the agent and enrol it again.',
      cause: thrown,
    });
  }
}

async function listFolder(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw thrown;
  }
}

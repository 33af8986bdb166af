// A Docker daemon of our own, for machines where none runs: started for a while, with its layers kept in a folder of caches.
//
// It leaves the firewall and the forwarding of the machine alone: containers reach each other and this host, and nothing
// else; builds use this host's network. One at a time: whoever comes second waits. It ends with the process that started
// it, whatever kills that one (PR_SET_PDEATHSIG), and takes its containers along.

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { tryLockFile, type FileLock } from '@lms/linux';
import { BackgroundProcess } from '../../test/harness/background-process.ts';
import { runCommand } from '../../test/harness/command.ts';
import { waitFor } from '../../test/harness/condition.ts';

/** Sockets lie below it, and their paths are short. */
const RUN_FOLDER = '/run/live-migration-service-docker';
const PID_FILE = join(RUN_FOLDER, 'pid');
const SOCKET = join(RUN_FOLDER, 'docker.sock');
/** Docker's default network. */
const DEFAULT_BRIDGE = '/sys/class/net/docker0';
/** Somebody else's whole suite may have to end first. */
const TURN_MILLISECONDS = 30 * 60_000;
const START_MILLISECONDS = 60_000;

export class DockerDaemon {
  readonly host = `unix://${SOCKET}`;
  readonly #process: BackgroundProcess;
  readonly #lock: FileLock;
  readonly #hadBridge: boolean;

  private constructor(daemon: BackgroundProcess, lock: FileLock, hadBridge: boolean) {
    this.#hadBridge = hadBridge;
    this.#process = daemon;
    this.#lock = lock;
  }

  static async start(): Promise<DockerDaemon> {
    const cacheFolder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'live-migration-service');
    mkdirSync(cacheFolder, { recursive: true });
    mkdirSync(RUN_FOLDER, { recursive: true, mode: 0o700 });
    const lock = await takeTurn(join(RUN_FOLDER, 'lock'));
    const hadBridge = existsSync(DEFAULT_BRIDGE);
    const daemon = new BackgroundProcess({
      program: 'setpriv',
      parameters: [
        ...['--pdeathsig', 'SIGTERM', 'dockerd'],
        ...['--data-root', join(cacheFolder, 'docker'), '--exec-root', join(RUN_FOLDER, 'exec')],
        ...['--host', `unix://${SOCKET}`, '--pidfile', PID_FILE],
        ...['--iptables=false', '--ip-masq=false', '--ip-forward=false'],
      ],
      logPath: join(RUN_FOLDER, 'log'),
    });
    const started = new DockerDaemon(daemon, lock, hadBridge);
    try {
      await waitFor(
        'dockerd to answer',
        async () => {
          if (!daemon.running) return true;
          return (
            (await runCommand('docker', ['version'], { environment: { DOCKER_HOST: started.host } })).exitCode === 0
          );
        },
        { timeoutMilliseconds: START_MILLISECONDS },
      );
      if (!daemon.running) throw new Error(`dockerd does not run: ${lastLine(daemon.log())}`);
      await started.#clear();
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  /** With everything that runs in it. */
  async stop(): Promise<void> {
    if (this.#process.running) await this.#clear();
    await this.#process.end();
    // Docker leaves it; without one (`--bridge=none`), names of containers are not resolved.
    if (!this.#hadBridge) await runCommand('ip', ['link', 'delete', 'docker0']);
    this.#lock.release();
  }

  /** Containers, and networks, whose bridges would stay on this host: also those of a process that was killed. */
  async #clear(): Promise<void> {
    const environment = { DOCKER_HOST: this.host };
    const { stdout } = await runCommand('docker', ['ps', '--all', '--quiet'], { environment });
    const containers = stdout.split('\n').filter((id) => id !== '');
    if (containers.length > 0)
      await runCommand('docker', ['rm', '--force', '--volumes', ...containers], { environment });
    await runCommand('docker', ['network', 'prune', '--force'], { environment });
  }
}

/** The lock goes with the process that has it; its daemon may take a little longer. */
async function takeTurn(path: string): Promise<FileLock> {
  const lock = await waitFor(
    `another process to be done with ${path}`,
    () => {
      const attempt = tryLockFile(path);
      return attempt.held && attempt.lock;
    },
    { timeoutMilliseconds: TURN_MILLISECONDS },
  );
  try {
    await waitFor('the dockerd of a process that has ended to end', () => !daemonRuns());
    return lock;
  } catch (error) {
    lock.release();
    throw error;
  }
}

function daemonRuns(): boolean {
  try {
    const pid = readFileSync(PID_FILE, 'utf8').trim();
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(PID_FILE);
  } catch {
    return false;
  }
}

function lastLine(text: string): string {
  return text.trimEnd().split('\n').at(-1) ?? '';
}

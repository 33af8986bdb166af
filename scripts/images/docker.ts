// Docker's command line: which one, and against which daemon.

import { requireCommand, runCommand } from '../../test/harness/command.ts';
import { DockerDaemon } from './docker-daemon.ts';

/** Since 23 the client builds with BuildKit only by its plug-in buildx; before, it does so by itself. */
const FIRST_CLIENT_WITH_BUILDX = 23;
const PROGRAMS = ['docker', '/usr/bin/docker'];

export class Docker {
  readonly environment: Readonly<Record<string, string>>;
  readonly #program: string;
  readonly #daemon: DockerDaemon | null;

  private constructor(program: string, environment: Readonly<Record<string, string>>, daemon: DockerDaemon | null) {
    this.#program = program;
    this.environment = environment;
    this.#daemon = daemon;
  }

  /** The daemon that answers already; where none does, one of our own, which ends with us. */
  static async open(): Promise<Docker> {
    const program = await findProgram();
    const { exitCode } = await runCommand(program, ['version']);
    const daemon = exitCode === 0 ? null : await DockerDaemon.start();
    const environment = daemon === null ? {} : { DOCKER_HOST: daemon.host };
    return new Docker(program, { DOCKER_BUILDKIT: '1', ...environment }, daemon);
  }

  /** What it wrote to stdout; throws when it fails. */
  async run(...parameters: readonly string[]): Promise<string> {
    return requireCommand(this.#program, parameters, { environment: this.environment });
  }

  /** What it wrote to stdout; null when it fails. */
  async ask(...parameters: readonly string[]): Promise<string | null> {
    const { exitCode, stdout } = await runCommand(this.#program, parameters, { environment: this.environment });
    return exitCode === 0 ? stdout : null;
  }

  /** `producer | docker import - NAME`, and the like: parts of a shell's pipe line. */
  async pipe(command: string): Promise<string> {
    const environment = { ...this.environment, DOCKER: this.#program };
    return requireCommand('bash', ['-o', 'pipefail', '-ec', command], { environment });
  }

  /** Ends the daemon that we started, with everything that runs in it. */
  async close(): Promise<void> {
    await this.#daemon?.stop();
  }
}

async function findProgram(): Promise<string> {
  for (const program of PROGRAMS) {
    const client = await runCommand(program, ['version', '--format', '{{.Client.Version}}']);
    const version = Number.parseInt(client.stdout, 10);
    if (Number.isNaN(version)) continue;
    if (version < FIRST_CLIENT_WITH_BUILDX) return program;
    const buildx = await runCommand(program, ['buildx', 'version']);
    if (buildx.exitCode === 0) return program;
  }
  throw new Error('no Docker client that builds with BuildKit: install docker.io, or Docker with its plug-in buildx');
}

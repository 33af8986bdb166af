// nats-server under the chart's own configuration: only where it listens and where its files lie is another.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { BackgroundProcess } from '../../harness/background-process.ts';
import { waitFor } from '../../harness/condition.ts';
import { findFreePort } from '../../harness/free-port.ts';
import { TestAuthority } from '../../integration/harness/certificates.ts';
import { natsServerProgram } from '../../integration/harness/nats-server.ts';
import { find, render } from './chart.ts';

const CONFIGURATION = z.object({ 'nats.conf': z.string() });
/** Of a trace: who, and to which subject. */
const PUBLISHED = /user:([^"]+)" - <<- \[H?PUB (\S+) /g;

export class AuthorizedNats implements AsyncDisposable {
  readonly port: number;
  readonly caFile: string;
  readonly configuration: string;
  readonly #start: () => BackgroundProcess;
  #process: BackgroundProcess;

  private constructor(port: number, caFile: string, configuration: string, start: () => BackgroundProcess) {
    this.port = port;
    this.caFile = caFile;
    this.configuration = configuration;
    this.#start = start;
    this.#process = start();
  }

  static async start(folder: string): Promise<AuthorizedNats> {
    const port = await findFreePort();
    const authority = await TestAuthority.create();
    const issued = await authority.authority.issueService('nats', ['nats.lms.internal', 'localhost']);
    await mkdir(join(folder, 'tls'));
    await writeFile(join(folder, 'tls/ca.crt'), authority.authority.certificatePem);
    await writeFile(join(folder, 'tls/tls.crt'), issued.certificatePem);
    await writeFile(join(folder, 'tls/tls.key'), issued.privateKeyPem, { mode: 0o600 });
    const rendered = find(await render({ values: { nats: { replicas: 1 } } }), 'ConfigMap', 'lms-nats');
    const configuration = CONFIGURATION.parse(rendered['data'])['nats.conf'];
    const here = configuration
      .replace('"0.0.0.0:4222"', `"127.0.0.1:${port}"`)
      .replace('"0.0.0.0:8222"', `"127.0.0.1:${await findFreePort()}"`)
      .replaceAll('"/etc/lms/tls/', `"${folder}/tls/`)
      .replace('"/run/nats/', `"${folder}/`)
      .replace('"/data/', `"${folder}/`);
    // Every subject that anybody publishes to is seen.
    await writeFile(join(folder, 'nats.conf'), `${here}\ntrace: true\nlogtime: false\n`);
    const users = [...configuration.matchAll(/NATS_PASSWORD_[A-Z_]+/g)].map(([variable]) => variable);
    const environment = Object.fromEntries(users.map((user) => [user, passwordOf(user)]));
    const nats = new AuthorizedNats(port, join(folder, 'tls/ca.crt'), configuration, () => {
      const program = natsServerProgram();
      const parameters = ['--config', join(folder, 'nats.conf')];
      const logPath = join(folder, 'nats.log');
      return new BackgroundProcess({
        program,
        parameters,
        logPath,
        environment: { POD_NAME: 'lms-nats-0', ...environment },
      });
    });
    await nats.#ready(1);
    return nats;
  }

  /** As if its pod had died; its volume stays. */
  async restart(): Promise<void> {
    const starts = this.#starts();
    await this.#process.kill();
    this.#process = this.#start();
    await this.#ready(starts + 1);
  }

  async #ready(starts: number): Promise<void> {
    await waitFor('nats-server to be ready', () => !this.#process.running || this.#starts() >= starts);
    if (!this.#process.running) throw new Error(`nats-server ended: ${this.#process.log().slice(-2_000)}`);
  }

  #starts(): number {
    return this.#process.log().split('Server is ready').length - 1;
  }

  get url(): string {
    return `localhost:${this.port}`;
  }

  password(user: string): string {
    return passwordOf(`NATS_PASSWORD_${user.toUpperCase().replaceAll('-', '_')}`);
  }

  /** Lines in which the server refused somebody something. */
  refusals(): readonly string[] {
    return this.#process
      .log()
      .split('\n')
      .filter((line) => /\[ERR\].*(?:Violation|authentication error)/i.test(line));
  }

  /** Subjects that each user has published to. */
  published(): ReadonlyMap<string, ReadonlySet<string>> {
    const subjects = new Map<string, Set<string>>();
    for (const [, user = '', subject = ''] of this.#process.log().matchAll(PUBLISHED)) {
      const known = subjects.get(user) ?? new Set();
      subjects.set(user, known.add(subject));
    }
    return subjects;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process.kill();
  }
}

/** As services/setup makes them: a letter first. */
function passwordOf(variable: string): string {
  return `n${Buffer.from(variable).toString('hex')}`;
}

export interface UserRights {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

/** By user, from the configuration itself. */
export function rightsOf(configuration: string): ReadonlyMap<string, UserRights> {
  const rights = new Map<string, UserRights>();
  const users = configuration.matchAll(/user: "([^"]+)"[\s\S]*?publish: \[([^\]]*)\]\s*subscribe: \[([^\]]*)\]/g);
  for (const [, user = '', publish = '', subscribe = ''] of users) {
    const subjects = (text: string): string[] => [...text.matchAll(/"([^"]+)"/g)].map(([, subject = '']) => subject);
    rights.set(user, { publish: subjects(publish), subscribe: subjects(subscribe) });
  }
  return rights;
}

/** Whether a subject is one of a pattern, by NATS' rules. */
export function covers(pattern: string, subject: string): boolean {
  const wanted = pattern.split('.');
  const given = subject.split('.');
  return (
    wanted.every((token, index) =>
      token === '>' ? given.length > index : given[index] !== undefined && (token === '*' || token === given[index]),
    ) &&
    (wanted.at(-1) === '>' || wanted.length === given.length)
  );
}

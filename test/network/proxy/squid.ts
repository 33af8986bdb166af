// Debian's squid on a host of a test network: with users, or looking into TLS by a CA of its own.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BackgroundProcess } from '../../harness/background-process.ts';
import type { Cleanup } from '../../harness/cleanup.ts';
import { requireCommand } from '../../harness/command.ts';
import { waitFor } from '../../harness/condition.ts';
import type { Host } from '../../harness/network/host.ts';

export const SQUID_PORT = 3128;
const SECURE_PORT = 3129;
const CERTIFICATE_HELPER = '/usr/lib/squid/security_file_certgen';

export interface SquidOptions {
  readonly host: Host;
  readonly cleanup: Cleanup;
  /** By name; who has none of them is asked for one. Default: everybody may. */
  readonly users?: Readonly<Record<string, string>>;
  /** It is reached over TLS too, with this certificate. */
  readonly certificate?: { readonly cert: string; readonly key: string };
  /** Certificates that are shown are signed anew by this CA. */
  readonly inspectsAs?: { readonly certificatePem: string; readonly privateKeyPem: string };
}

export class Squid {
  readonly #options: SquidOptions;
  /** Not below the test's: squid gives root's rights up, and with them the way through folders of root. */
  readonly #folder = mkdtempSync(join(tmpdir(), 'lms-squid-'));
  /** Of its shared memory: each squid of a machine needs a name of its own. */
  readonly #service = `lms${randomBytes(4).toString('hex')}`;
  #process: BackgroundProcess | null = null;

  private constructor(options: SquidOptions) {
    this.#options = options;
  }

  static async start(options: SquidOptions): Promise<Squid> {
    const squid = new Squid(options);
    options.cleanup.add(`remove the folder of squid`, () => rmSync(squid.#folder, { recursive: true }));
    options.cleanup.add(`stop squid on ${options.host.name}`, async () => squid.stop());
    await squid.#configure();
    await squid.resume();
    return squid;
  }

  get url(): string {
    return `http://${this.#options.host.address}:${SQUID_PORT}`;
  }

  /** Over TLS. */
  get secureUrl(): string {
    return `https://${this.#options.host.address}:${SECURE_PORT}`;
  }

  get url6(): string {
    return `http://[${this.#options.host.address6}]:${SQUID_PORT}`;
  }

  async resume(): Promise<void> {
    const { host } = this.#options;
    const placed = host.place.command('squid', '-n', this.#service, '-N', '-f', join(this.#folder, 'squid.conf'));
    const process = new BackgroundProcess({ ...placed, logPath: join(this.#folder, 'squid.log') });
    this.#process = process;
    await waitFor('squid to listen or end', async () => {
      if (!process.running) return true;
      return (await host.run('ss', '--listening', '--tcp', '--numeric')).includes(`:${SQUID_PORT} `);
    });
    if (!process.running) throw new Error(`squid ended: ${readFileSync(join(this.#folder, 'cache.log'), 'utf8')}`);
  }

  /** What it let through, and what not: one line each, of the requests that are over. */
  get accessLog(): readonly string[] {
    return readFileSync(join(this.#folder, 'access.log'), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  }

  async stop(): Promise<void> {
    await this.#process?.end();
  }

  async #configure(): Promise<void> {
    const { users, certificate, inspectsAs } = this.#options;
    const folder = this.#folder;
    const lines = [
      `http_port ${SQUID_PORT}${inspectsAs === undefined ? '' : ` ssl-bump generate-host-certificates=on tls-cert=${folder}/ca.pem`}`,
      'pid_filename none',
      `cache_log ${folder}/cache.log`,
      `access_log stdio:${folder}/access.log`,
      'cache deny all',
      'cache_mem 1 MB',
      'max_filedescriptors 1024',
      'coredump_dir none',
      'pinger_enable off',
      'shutdown_lifetime 0 seconds',
      'visible_hostname proxy.test',
    ];
    if (users !== undefined) {
      const cases = Object.entries(users).map(([name, password]) => `'${name} ${password}') echo OK;; `);
      const helper = join(folder, 'users.sh');
      writeFileSync(helper, `while read -r line; do case "$line" in ${cases.join('')}*) echo ERR;; esac; done\n`);
      lines.push(`auth_param basic program /bin/sh ${helper}`, 'auth_param basic children 1');
      lines.push('acl known proxy_auth REQUIRED', 'http_access deny !known');
    }
    if (certificate !== undefined) {
      writeFileSync(join(folder, 'own.pem'), `${certificate.cert}\n${certificate.key}`, { mode: 0o600 });
      lines.push(`https_port ${SECURE_PORT} tls-cert=${folder}/own.pem`);
    }
    if (inspectsAs !== undefined) {
      writeFileSync(join(folder, 'ca.pem'), `${inspectsAs.certificatePem}\n${inspectsAs.privateKeyPem}`, {
        mode: 0o600,
      });
      await requireCommand(CERTIFICATE_HELPER, ['-c', '-s', join(folder, 'certificates'), '-M', '4MB']);
      lines.push(`sslcrtd_program ${CERTIFICATE_HELPER} -s ${folder}/certificates -M 4MB`, 'sslcrtd_children 1');
      lines.push('acl beginning at_step SslBump1', 'ssl_bump peek beginning', 'ssl_bump bump all');
      // Whether squid believes the manager is not what is looked at.
      lines.push('tls_outgoing_options flags=DONT_VERIFY_PEER', 'sslproxy_cert_error allow all');
    }
    lines.push('acl secure port 443', 'acl CONNECT method CONNECT');
    // Inside of a way that is looked into there are requests of all kinds.
    lines.push(inspectsAs === undefined ? 'http_access allow CONNECT secure' : 'http_access allow secure');
    lines.push('http_access deny all');
    writeFileSync(join(folder, 'squid.conf'), `${lines.join('\n')}\n`);
    await requireCommand('chown', ['--recursive', 'proxy:proxy', folder]);
  }
}
